"""A real HTTP server that plays the API and its proxy, for tests of the ``thv`` program."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

PREFIX = "/api/v1beta"


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None


@dataclass
class PlayedApi:
    """What the API has and how it behaves; a test sets it."""

    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    """Progress told while a workload is made."""
    refusal: dict[str, Any] | None = None
    """The error that ends the making of a workload."""
    made_as: dict[str, Any] = field(default_factory=dict)
    """What a workload that was made looks like, beyond the usual."""
    plain_answers: bool = False
    """Answer POST in plain JSON, as an original ToolHive does."""
    health_status: int = 200
    stuck: bool = False
    """Accept changes and never carry them out."""
    log_text: str = ""
    events: list[list[bytes]] = field(default_factory=list)
    """The messages of each connection to the events; after the last, the newest stays open."""
    raw: Callable[[str, str], tuple[int, str, bytes] | None] = lambda _method, _path: None
    """Answers a request with anything; ``None`` = as usual."""
    closing: threading.Event = field(default_factory=threading.Event)
    made: threading.Event = field(default_factory=threading.Event)
    probed: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        played: PlayedApi = self

        class Handler(_Handler):
            api = played

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._server
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, name: str, **more: Any) -> dict[str, Any]:
        workload = {
            "name": name,
            "package": f"uvx://{name}",
            "url": f"{self.url}/{name}/mcp",
            "port": 8081,
            "transport_type": "stdio",
            "proxy_mode": "streamable-http",
            "status": "running",
            "created_at": "2026-01-02T03:04:05Z",
            "group": "default",
            **more,
        }
        self.workloads[name] = workload
        return workload

    def posted(self) -> Any:
        return next(one.body for one in self.asked if one.method == "POST" and one.path == "/workloads")


class _Handler(BaseHTTPRequestHandler):
    api: PlayedApi
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = parts.path.removeprefix(PREFIX)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.api.asked.append(Asked(self.command, path, query, headers, body))
        raw = self.api.raw(self.command, path)
        if raw:
            self._answer(*raw)
            return
        steps = [unquote(step) for step in path.strip("/").split("/")]
        match self.command, steps:
            case "GET", [_, "health"]:
                self._answer(self.api.health_status, "application/json", b"{}")
                self.api.probed.set()
            case "GET", ["events"]:
                self._events()
            case "GET", ["workloads"]:
                self._list(query)
            case "POST", ["workloads"]:
                self._make(body)
            case "GET", ["workloads", name, "logs"] if name in self.api.workloads:
                self._answer(200, "text/plain", self.api.log_text.encode())
            case "POST", ["workloads", name, "stop"] if name in self.api.workloads:
                self._change(name, "stopped")
            case "POST", ["workloads", name, "restart"] if name in self.api.workloads:
                self._change(name, "running")
            case "DELETE", ["workloads", name] if name in self.api.workloads:
                self._change(name, None)
            case _:
                self._answer(404, "text/plain", b"workload not found")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _list(self, query: dict[str, str]) -> None:
        found = [
            one
            for one in self.api.workloads.values()
            if (query.get("all") == "true" or one["status"] == "running")
            and query.get("group", one["group"]) == one["group"]
        ]
        self._answer(200, "application/json", json.dumps({"workloads": found or None}).encode())

    def _change(self, name: str, status: str | None) -> None:
        if not self.api.stuck and status is None:
            del self.api.workloads[name]
        elif not self.api.stuck and "then" in self.api.workloads[name]:
            self.api.workloads[name] |= self.api.workloads[name]["then"]
        elif not self.api.stuck:
            self.api.workloads[name]["status"] = status
        self._answer(202, "text/plain", b"")

    def _make(self, body: Any) -> None:
        created = json.dumps({"name": body["name"], "port": 8081}).encode()
        if self.api.plain_answers:
            self.api.add(body["name"], **self.api.made_as)
            self._answer(201, "application/json", created)
            return
        self._begin_stream()
        for stage in self.api.stages:
            key = {"namespace": "default", "name": body["name"]}
            self._chunk(b"event: progress\ndata: " + json.dumps({"key": key, "revision": 1, **stage}).encode())
        if self.api.refusal:
            self._chunk(b"event: error\ndata: " + json.dumps(self.api.refusal).encode())
        else:
            self.api.add(body["name"], **self.api.made_as)
            self._chunk(b"event: created\ndata: " + created)
        self.api.made.set()
        self.wfile.write(b"0\r\n\r\n")

    def _events(self) -> None:
        self._begin_stream()
        for message in self.api.events.pop(0) if self.api.events else []:
            self._chunk(message)
        if self.api.events or "follow=true" not in self.path:
            self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True
            return
        self.api.closing.wait()

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, message: bytes) -> None:
        data = message + b"\n\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
