"""Typed messaging over NATS: the only door to the ``nats`` library.

``bus`` holds the connection, ``topology`` the stream and buckets, ``bucket`` the state, ``events`` the facts,
``rpc`` the questions, ``frames`` the MCP messages of stdio servers. Foreign errors end here: callers see
``ToolHiveError``.
"""
