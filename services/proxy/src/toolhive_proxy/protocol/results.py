"""Results of a server's answers, changed on their way to the client."""

from collections.abc import Sequence
from typing import Any

from toolhive_common.mcp import jsonrpc
from toolhive_proxy.models.gates import ResultRewrite

__all__ = ["rewrite_results"]


def rewrite_results(data: bytes, rewrites: Sequence[ResultRewrite]) -> bytes:
    """Change the ``result`` of a message, or of each in a batch. What is no answer stays as it came."""
    try:
        value = jsonrpc.parse(data)
    except ValueError:
        return data
    parts = value if isinstance(value, list) else [value]
    changed = [_rewritten(part, rewrites) for part in parts]
    if all(new is old for new, old in zip(changed, parts, strict=True)):
        return data
    if isinstance(value, list):
        return b"[" + b",".join(map(jsonrpc.encode, changed)) + b"]"
    return jsonrpc.encode(changed[0])


def _rewritten(part: Any, rewrites: Sequence[ResultRewrite]) -> Any:
    if not isinstance(part, dict) or "method" in part or not isinstance(part.get("result"), dict):
        return part
    result = part["result"]
    for rewrite in rewrites:
        result = rewrite(result)
    return part | {"result": result}
