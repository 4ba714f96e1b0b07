"""A request that is not served, and what its client is told instead."""

from dataclasses import dataclass
from typing import Any

from toolhive_common.mcp.jsonrpc import Code, Id
from toolhive_common.mcp.port import RefusalCode
from toolhive_proxy.models.replies import Failure

__all__ = ["ENDED", "Refusal", "failure_from"]


@dataclass(frozen=True)
class Refusal:
    """Answer with this error instead."""

    status: int
    code: int
    message: str
    request_id: Id | None = None
    data: dict[str, Any] | None = None


ENDED = Failure(404, Code.SESSION_NOT_FOUND, "the session ended before the answer came; call initialize again")
_SOON = 2
_LATER = 30
_FAILURES: dict[RefusalCode, tuple[int, int, int | None]] = {
    RefusalCode.UNKNOWN_SESSION: (404, Code.SESSION_NOT_FOUND, None),
    RefusalCode.SESSIONS_FULL: (503, Code.SERVER_ERROR, _LATER),
    RefusalCode.CALLS_FULL: (429, Code.SERVER_ERROR, _SOON),
    RefusalCode.ID_IN_USE: (400, Code.INVALID_REQUEST, None),
    RefusalCode.SERVER_UNAVAILABLE: (503, Code.SERVER_ERROR, _SOON),
    RefusalCode.SERVER_LOST: (502, Code.SERVER_ERROR, None),
    RefusalCode.SERVER_SILENT: (504, Code.SERVER_ERROR, None),
    RefusalCode.NO_REQUEST: (400, Code.INVALID_REQUEST, None),
    RefusalCode.NOTHING_TO_RESUME: (400, Code.INVALID_REQUEST, None),
    RefusalCode.EDGE_LOST: (503, Code.SERVER_ERROR, _SOON),
}


def failure_from(code: RefusalCode | None, text: str) -> Failure:
    """Say to a client what the keeper of the sessions refused."""
    status, error, retry_after = _FAILURES[code or RefusalCode.SERVER_UNAVAILABLE]
    return Failure(status, error, text, retry_after)
