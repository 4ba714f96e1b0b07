"""Wire formats of HTTP and MCP: bytes in, values out, and back. No I/O, no clock, no logging, no policy."""
