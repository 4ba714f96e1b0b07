"""An MCP server over standard streams that talks back: it asks its client, tells progress, waits, and keeps tasks.

Standard library only, so that it runs in the bare base image. It speaks the era of sessions.
"""

import itertools
import json
import secrets
import sys
import threading
import time
from concurrent.futures import Future

_NAME = secrets.token_hex(8)
"""Tells this process from all others, in whatever container."""
_write_lock = threading.Lock()
_numbers = itertools.count(1)
_asked = {}  # answers that are awaited, by the id of our request
_waiting = {}  # calls of `wait`, by name
_calls = {}  # names of the calls of `wait`, by request id
_cancelled = []
_tasks = {}


def say(message):
    """Write one line, whole."""
    line = json.dumps({"jsonrpc": "2.0", **message})
    with _write_lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def notify(method, **params):
    """Send a notification."""
    say({"method": f"notifications/{method}", "params": params})


def ask(method, params):
    """Send a request to the client and wait for its answer; gives the whole message."""
    number = next(_numbers)
    answered = _asked[number] = Future()
    say({"id": number, "method": method, "params": params})
    return answered.result()


def tell_progress(request, steps, text, pause=0):
    """Tell each step, the last one included, before the answer; wait ``pause`` seconds before that where asked to."""
    token = request["params"]["_meta"]["progressToken"]
    for step in range(1, steps + 1):
        notify("progress", progressToken=token, progress=step, total=steps, message=f"{text} {step}")
    time.sleep(pause)
    return text


def wait(request, name):
    """Answer when someone calls `release` with the name's beginning, and never when the call is cancelled."""
    released = _waiting.setdefault(name, Future())
    _calls[json.dumps(request["id"])] = name
    return released.result()


def release(_request, name):
    """Let the calls of `wait` be answered whose names begin so."""
    for waiting in [waiting for waiting in _waiting if waiting.startswith(name)]:
        _waiting.pop(waiting).set_result(f"{waiting} was released")
    return "done"


def cancel(request_id):
    """Forget a waiting call."""
    name = _calls.pop(json.dumps(request_id), None)
    _cancelled.append(name if name is not None else f"unknown {request_id!r}")
    if name is not None:
        _waiting.pop(name).set_result(None)


def flood(_request, lines, size):
    """Write much more than a client reads that does not read."""
    for _ in range(lines):
        notify("message", level="info", data="x" * size)
    return "done"


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
TOOLS = {
    "echo": (lambda _request, text: text, {"text": _TEXT}),
    "who": (lambda _request: _NAME, {}),
    "progress": (tell_progress, {"steps": _NUMBER, "text": _TEXT, "pause": {"type": "number"}}),
    "ask": (lambda _request, method, params: json.dumps(ask(method, params)), {"method": _TEXT, "params": {}}),
    "wait": (wait, {"name": _TEXT}),
    "release": (release, {"name": _TEXT}),
    "waiting": (lambda _request: json.dumps(sorted(_waiting)), {}),
    "cancelled": (lambda _request: json.dumps(_cancelled), {}),
    "big": (lambda _request, size: "x" * size, {"size": _NUMBER}),
    "flood": (flood, {"lines": _NUMBER, "size": _NUMBER}),
}


def as_result(text):
    """The result of a tool."""
    return {"content": [{"type": "text", "text": text}], "isError": False}


def call_tool(request, params):
    """Call it, or make a task of the call; None = no answer at all."""
    arguments = params.get("arguments", {})
    if "task" in params:
        return start_task(arguments["text"])
    text = TOOLS[params["name"]][0](request, **arguments)
    return None if text is None else as_result(text)


def start_task(text):
    """Make a task that is completed at once; its result waits to be fetched."""
    name = f"task-{next(_numbers)}"
    state = {"taskId": name, "status": "completed", "createdAt": "2026-01-01T00:00:00Z", "ttl": 60000}
    state |= {"lastUpdatedAt": "2026-01-01T00:00:00Z", "pollInterval": 100}
    _tasks[name] = (state, as_result(text))
    return {"task": state}


def initialize(_request, params):
    """Speak the revision that is asked for."""
    return {
        "protocolVersion": params["protocolVersion"],
        "capabilities": {
            "tools": {},
            "logging": {},
            "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
        },
        "serverInfo": {"name": "talkative-server", "version": "1"},
    }


def list_tools(_request, _params):
    """All tools; each may be called as a task."""
    support = {"execution": {"taskSupport": "optional"}}
    schemas = {name: {"type": "object", "properties": properties} for name, (_, properties) in TOOLS.items()}
    return {"tools": [{"name": name, "inputSchema": schema, **support} for name, schema in schemas.items()]}


METHODS = {
    "initialize": initialize,
    "tools/list": list_tools,
    "tools/call": call_tool,
    "tasks/get": lambda _request, params: _tasks[params["taskId"]][0],
    "tasks/result": lambda _request, params: _tasks[params["taskId"]][1],
    "tasks/cancel": lambda _request, params: {**_tasks[params["taskId"]][0], "status": "cancelled"},
    "tasks/list": lambda _request, _params: {"tasks": [state for state, _ in _tasks.values()]},
    "ping": lambda _request, _params: {},
    "logging/setLevel": lambda _request, _params: {},
}


def serve(request):
    """Answer one request."""
    try:
        result = METHODS[request["method"]](request, request.get("params", {}))
    except (KeyError, TypeError) as error:
        say({"id": request["id"], "error": {"code": -32602, "message": repr(error)}})
    else:
        if result is not None:
            say({"id": request["id"], "result": result})


def main():
    """Serve until standard input ends."""
    for line in sys.stdin:
        message = json.loads(line)
        if "method" not in message:
            _asked.pop(message["id"]).set_result(message)
        elif message["method"] == "notifications/cancelled":
            cancel(message["params"]["requestId"])
        elif "id" in message:
            threading.Thread(target=serve, args=(message,), daemon=True).start()


if __name__ == "__main__":
    main()
