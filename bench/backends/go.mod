module toolhive/bench/backends

go 1.19
