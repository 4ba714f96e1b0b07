"""The benchmark: every target on every path, interleaved in one run, then sweeps of ours, and one report.

`targets` knows how each is started, `table` and `sweeps` what is measured, `report` how it is told. The load itself
is a Go program (`bench/load`), the servers behind the targets are another (`bench/backends`); `bench/prepare` builds
both and installs the peers. All that is started here is ended here, by process id or by the label of its containers.
"""
