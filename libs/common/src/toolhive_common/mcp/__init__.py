"""The MCP wire as more than one process speaks it, without any I/O.

``jsonrpc`` reads and writes messages, ``eras`` tells apart which revision of the protocol they are of, ``port`` is
what proxies and keepers of sessions say to each other about them, ``session_ids`` what may be shown of a session.
Whoever calls does the reading, writing and waiting; what makes sessions of messages is in ``toolhive_sessions``.
"""
