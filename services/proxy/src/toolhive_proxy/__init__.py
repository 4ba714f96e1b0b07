"""The proxy: MCP clients on one side, MCP servers of any transport on the other.

Each request is one path through the layers: ``adapters`` read it from the socket, ``middleware`` guards,
``decisions`` judge, ``handlers`` serve, ``services`` carry out, ``adapters`` reach NATS and HTTP servers.
``protocol`` holds the wire formats, without I/O. No pydantic model is made for a request: speed is the product here.
"""
