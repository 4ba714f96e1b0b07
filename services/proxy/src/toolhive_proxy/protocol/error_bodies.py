"""JSON-RPC error codes of MCP and their bodies."""

from enum import IntEnum
from typing import Any

from toolhive_proxy.protocol.jsonrpc import Id, encode

__all__ = ["RpcCode", "error_body"]


class RpcCode(IntEnum):
    """Codes that the proxy itself answers with."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INTERNAL = -32603
    SERVER_ERROR = -32000
    """The call did not get through, or its answer did not come."""
    SESSION_NOT_FOUND = -32001
    UNSUPPORTED_VERSION = -32022


def error_body(code: int, message: str, *, request_id: Id | None = None, data: dict[str, Any] | None = None) -> bytes:
    """Write an error. Without an id it has no ``id`` at all: the schema allows no null."""
    error: dict[str, Any] = {"code": int(code), "message": message}
    if data is not None:
        error["data"] = data
    return encode({"id": request_id, "error": error} if request_id is not None else {"error": error})
