"""What is read in a server's answer on its way to the client, and said where none came."""

from http import HTTPStatus
from typing import Any

from toolhive_common.mcp.jsonrpc import Code, parse
from toolhive_proxy.models.replies import Failure

__all__ = ["error_code_of", "timeout_failure"]

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
