"""Start the conformance server of the Python SDK over the transport that the first argument names.

Its own command knows HTTP only, though the server it starts speaks all three.
"""

import os
import sys

from mcp_everything_server.server import event_store, mcp

transport = sys.argv[1]
if transport == "stdio":
    mcp.run()
else:
    listen = {"host": os.environ.get("HOST", "0.0.0.0"), "port": int(os.environ["PORT"])}  # noqa: S104  # a container
    if transport == "streamable-http":
        listen |= {"event_store": event_store, "retry_interval": 100}
    mcp.run(transport=transport, **listen)
