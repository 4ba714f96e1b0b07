"""ASGI messages of the proxy's own answers."""

from collections.abc import Sequence
from typing import Any

from toolhive_common.mcp.jsonrpc import Id, error_body
from toolhive_proxy.models.asgi import Header

__all__ = ["error_answer", "head", "json_answer", "piece"]

_JSON: Header = (b"content-type", b"application/json")
_PIECE = 256 * 1024
"""Bytes handed to the server at once: it may hold them all for a slow client."""


def head(status: int, headers: Sequence[Header]) -> dict[str, Any]:
    """Begin a response."""
    return {"type": "http.response.start", "status": int(status), "headers": headers}


def piece(body: bytes, *, more: bool) -> dict[str, Any]:
    """Go on with it."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def json_answer(status: int, body: bytes, *, headers: Sequence[Header] = ()) -> list[dict[str, Any]]:
    """Answer with a JSON text; an empty body makes an empty answer."""
    length = (b"content-length", b"%d" % len(body))
    lines = [_JSON, length, *headers] if body else [length, *headers]
    if status == 204:  # noqa: PLR2004  # HTTP's No Content, which has no length either
        lines = [*headers]
    starts = range(0, len(body), _PIECE) or (0,)
    return [
        head(status, lines),
        *(piece(body[start : start + _PIECE], more=start + _PIECE < len(body)) for start in starts),
    ]


def error_answer(
    status: int,
    code: int,
    message: str,
    *,
    request_id: Id | None = None,
    data: dict[str, Any] | None = None,
    headers: Sequence[Header] = (),
) -> list[dict[str, Any]]:
    """Answer with a JSON-RPC error."""
    return json_answer(status, error_body(request_id, code, message, data), headers=headers)
