"""Container runtimes: what runs MCP servers, behind one interface.

``runtime`` is the interface, ``docker`` its implementation for the Docker API, ``decisions`` what needs no engine to
be decided, ``testing`` a fake for tests. Nothing here knows NATS, HTTP or a database.
"""
