"""The proxy's own answers."""

from collections.abc import Sequence
from typing import Any

from toolhive_common.mcp.jsonrpc import Id, error_body
from toolhive_proxy.models.http import Header, Response

__all__ = ["error_answer", "json_answer"]

_JSON: Header = (b"content-type", b"application/json")


def json_answer(status: int, body: bytes = b"", *, headers: Sequence[Header] = ()) -> Response:
    """Answer with a JSON text; an empty body makes an empty answer."""
    return Response(int(status), body, (_JSON, *headers) if body else tuple(headers))


def error_answer(
    status: int,
    code: int,
    message: str,
    *,
    request_id: Id | None = None,
    data: dict[str, Any] | None = None,
    headers: Sequence[Header] = (),
) -> Response:
    """Answer with a JSON-RPC error."""
    return json_answer(status, error_body(request_id, code, message, data), headers=headers)
