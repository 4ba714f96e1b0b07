"""An MCP server over standard input and output with habits that real servers have on bad days.

Standard library only, so that it runs in the bare base image. Arguments choose the habit at the start:

    --exit CODE     say something on standard error and end at once
    --garbage       print lines that are no JSON-RPC between the answers
"""

import json
import os
import sys
import threading
import time

PROTOCOL = "2025-06-18"
TOOLS = {
    "echo": {"text": {"type": "string"}},
    "big": {"size": {"type": "integer"}},
    "slow": {"seconds": {"type": "number"}, "text": {"type": "string"}},
    "die": {"code": {"type": "integer"}},
    "pid": {},
}
_write_lock = threading.Lock()


def say(message):
    """Write one line, whole."""
    with _write_lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def call_tool(name, arguments):
    """Do what the tool does and give its text."""
    if name == "echo":
        return arguments["text"]
    if name == "big":
        return "x" * arguments["size"]
    if name == "slow":
        time.sleep(arguments["seconds"])
        return arguments.get("text", "done")
    if name == "die":
        print("the tool asked me to die", file=sys.stderr, flush=True)
        os._exit(arguments["code"])
    return str(os.getpid())


def answer(request):
    """Give the result of a request."""
    match request["method"]:
        case "initialize":
            return {
                "protocolVersion": PROTOCOL,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "odd-server", "version": "1"},
            }
        case "tools/list":
            return {
                "tools": [
                    {"name": name, "inputSchema": {"type": "object", "properties": properties}}
                    for name, properties in TOOLS.items()
                ]
            }
        case "tools/call":
            params = request["params"]
            text = call_tool(params["name"], params.get("arguments", {}))
            return {"content": [{"type": "text", "text": text}], "isError": False}
        case _:
            return {}


def serve(request):
    """Answer one request."""
    if "--garbage" in sys.argv:
        with _write_lock:
            sys.stdout.write("Starting up... {not json\n\n[1, 2\n")
            sys.stdout.flush()
    say({"jsonrpc": "2.0", "id": request["id"], "result": answer(request)})


def main():
    """Serve until standard input ends."""
    if "--exit" in sys.argv:
        print("fatal: no configuration found", file=sys.stderr, flush=True)
        sys.exit(int(sys.argv[sys.argv.index("--exit") + 1]))
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            threading.Thread(target=serve, args=(message,), daemon=True).start()


if __name__ == "__main__":
    main()
