"""The MCP wire as more than one process speaks it, without any I/O.

``jsonrpc`` reads and writes messages, ``lines`` cuts a byte stream into them, ``multiplexer`` lets many client
sessions share one stdio server. Bytes in, effects out: whoever calls does the reading, writing and waiting.
"""
