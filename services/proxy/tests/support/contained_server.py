"""An MCP server for a container: standard library only, any transport, both eras.

Arguments: ``stdio``, ``sse`` or ``streamable-http``, and ``--end CODE`` to end at once. The HTTP ones listen on 8080.
"""

import json
import os
import queue
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODERN = "2026-07-28"
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("pid", "echo", "slow", "die")]


def call_tool(name, arguments):
    """Do what the tool does and give its text."""
    if name == "die":
        os._exit(arguments.get("code", 3))
    if name == "slow":
        time.sleep(arguments.get("seconds", 60))
    # The process is number 1 in every container, so its name is the container's.
    return os.uname().nodename if name == "pid" else arguments.get("text", "")


def answer(request):
    """Give the answer to a request; nothing to a notification."""
    if "id" not in request:
        return None
    match request["method"]:
        case "initialize":
            info = {"name": "contained", "version": "1"}
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        case "server/discover":
            info = {"name": "contained", "version": "1"}
            result = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            result = {"tools": TOOLS}
        case "tools/call":
            params = request["params"]
            result = {"content": [{"type": "text", "text": call_tool(params["name"], params.get("arguments", {}))}]}
        case _:
            result = {}
    if "_meta" in request.get("params", {}):
        result = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **result}
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def stdio():
    """Answer lines."""
    for line in sys.stdin:
        if (told := answer(json.loads(line))) is not None:
            print(json.dumps(told), flush=True)


SESSIONS = {}


class Http(BaseHTTPRequestHandler):
    """Both HTTP transports."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Begin an SSE session."""
        name, waiting = str(len(SESSIONS)), queue.Queue()
        SESSIONS[name] = waiting
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        event, data = "endpoint", f"/messages?session={name}"
        while True:
            self.wfile.write(f"event: {event}\ndata: {data}\n\n".encode())
            self.wfile.flush()
            event, data = "message", json.dumps(waiting.get())

    def do_POST(self):
        """Answer one message."""
        told = answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        body = b""
        if "session=" in self.path:
            if told is not None:
                SESSIONS[self.path.rpartition("=")[2]].put(told)
        elif told is not None:
            body = json.dumps(told).encode()
        self.send_response(200 if body else 202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Say nothing."""


if "--end" in sys.argv:
    sys.exit(int(sys.argv[sys.argv.index("--end") + 1]))
if sys.argv[1] == "stdio":
    stdio()
else:
    ThreadingHTTPServer(("", 8080), Http).serve_forever()
