"""What is read in, and done to, a server's answer on its way to the client."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from toolhive_common.mcp.jsonrpc import Code, encode, parse
from toolhive_proxy.models.gates import ResultRewrite
from toolhive_proxy.models.replies import Failure

__all__ = ["error_code_of", "rewritten", "timeout_failure"]

_SMALL = 64 * 1024
"""Bytes. No error is larger, and a large result is not worth reading to find that out."""


def error_code_of(data: bytes) -> int | None:
    """JSON-RPC code of an answer that tells an error; ``None`` for a good one."""
    if len(data) > _SMALL or b'"error"' not in data:
        return None
    answer = _object(data)
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) and "result" not in answer else None
    return code if isinstance(code, int) else None


def rewritten(data: bytes, rewrites: Sequence[ResultRewrite]) -> bytes:
    """Do to the result of an answer what the gates asked for."""
    if not rewrites:
        return data
    answer = _object(data)
    result = answer.get("result")
    if not isinstance(result, dict):
        return data
    for rewrite in rewrites:
        result = rewrite(result)
    return encode({**answer, "result": result})


def _object(data: bytes) -> dict[str, Any]:
    value = parse(data)
    return value if isinstance(value, dict) else {}


def timeout_failure(seconds: float) -> Failure:
    """Say that no answer came in time."""
    return Failure(
        HTTPStatus.GATEWAY_TIMEOUT,
        Code.SERVER_ERROR,
        f"Timeout: the server did not answer within {seconds:g} s; "
        "try again, or raise TOOLHIVE_PROXY_REQUEST_TIMEOUT",
    )
