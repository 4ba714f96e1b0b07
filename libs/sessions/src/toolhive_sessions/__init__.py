"""Many MCP clients on servers that believe they have one client.

A *process* is whatever speaks MCP to one client only: a stdio server in a container, or one connection to an HTTP
server. The `broker` keeps the sessions of one workload and decides which process serves which: it is told what
clients and processes say, and returns what shall be done. `host` does it. Nothing but `host`, and `telling` for it,
waits, reads a clock or does I/O; nothing here knows HTTP, NATS or a container engine.
"""
