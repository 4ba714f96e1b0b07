"""The thv command.

Commands here are written against `toolhive_common.manager.Manager`, so that they do the same whatever runs the
workloads. What decides, and what text is shown, is pure and stands in ``decisions`` and ``presentation``; only
``adapters`` speak HTTP, read files or draw on a terminal. Nothing here knows a container engine or NATS.

A person waits for every start: what a command does not need is not imported (``main`` loads commands by name).
"""
