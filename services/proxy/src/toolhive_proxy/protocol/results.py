"""Results of a server's answers, changed on their way to the client."""

import json
from collections.abc import Sequence
from typing import Any

from toolhive_common.mcp import jsonrpc
from toolhive_proxy.models.gates import ResultRewrite
from toolhive_proxy.protocol.messages import ids_within

__all__ = ["holds_tools", "rewritten"]

_UNREADABLE = "the server's list of tools cannot be read, so it cannot be filtered"


def rewritten(data: bytes, rewrites: Sequence[ResultRewrite]) -> bytes:
    """Change the ``result`` of a message, or of each in a batch. What is no answer stays as it came.

    A message that cannot be read becomes an error: it may hold what the client must not see.
    """
    if not rewrites or not data.strip():
        return data
    try:
        value = _read(data)
        parts = value if isinstance(value, list) else [value]
        changed = [_changed(part, rewrites) for part in parts]
        if all(new is old for new, old in zip(changed, parts, strict=True)):
            return data
        texts = [jsonrpc.encode(part) for part in changed]
    except (ValueError, RecursionError):
        request_id = next(iter(ids_within(data)), None)
        return jsonrpc.error_body(request_id, jsonrpc.Code.INTERNAL_ERROR, _UNREADABLE)
    return b"[" + b",".join(texts) + b"]" if isinstance(value, list) else texts[0]


def holds_tools(data: bytes) -> bool:
    """Whether an answer in it has a list of tools. What cannot be read is no answer."""
    try:
        value = _read(data)
    except ValueError:
        return False
    parts = value if isinstance(value, list) else [value]
    return any("tools" in result for part in parts if (result := _result(part)) is not None)


def _read(data: bytes) -> Any:
    """Read JSON, and what servers write that is none but some clients take: ``NaN``, broken UTF-8, raw tabs."""
    try:
        return jsonrpc.parse(data)
    except ValueError:
        try:
            return json.loads(data.decode("utf-8-sig", errors="replace"), strict=False)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


def _changed(part: Any, rewrites: Sequence[ResultRewrite]) -> Any:
    result = before = _result(part)
    if result is None:
        return part
    for rewrite in rewrites:
        result = rewrite(result)
    return part if result is before else part | {"result": result}


def _result(part: Any) -> dict[str, Any] | None:
    result = part.get("result") if isinstance(part, dict) else None
    return result if isinstance(result, dict) else None
