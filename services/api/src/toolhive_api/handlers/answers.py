"""How errors look over HTTP: plain text, as in ToolHive."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.problems import problem_of

__all__ = ["add_error_answers", "error_text", "status_of"]

_log = structlog.get_logger(__name__)

_STATUS = {
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.INVALID_NAME: 400,
    ErrorCode.UNSUPPORTED_SETTING: 400,
    ErrorCode.INVALID_MOUNT: 400,
    ErrorCode.WORKLOAD_NOT_FOUND: 404,
    ErrorCode.IMAGE_NOT_FOUND: 404,
    ErrorCode.PACKAGE_NOT_FOUND: 404,
    ErrorCode.WORKLOAD_EXISTS: 409,
    ErrorCode.CONTAINER_NAME_TAKEN: 409,
    ErrorCode.PORT_TAKEN: 409,
    ErrorCode.IMAGE_BUILD_FAILED: 502,
    ErrorCode.IMAGE_PULL_FAILED: 502,
    ErrorCode.ENGINE_UNREACHABLE: 503,
    ErrorCode.ENGINE_PERMISSION_DENIED: 503,
    ErrorCode.ENGINE_ERROR: 503,
    ErrorCode.AGENT_UNREACHABLE: 503,
    ErrorCode.BUS_UNREACHABLE: 503,
    ErrorCode.STORAGE_UNREACHABLE: 503,
    ErrorCode.TIMEOUT: 504,
}
_TOLD = frozenset({502, 503, 504})
"""Server errors whose cause the user is told; others may hold what is nobody's business."""


def status_of(code: ErrorCode) -> int:
    """HTTP status of a cause; 500 for one that the user can do nothing about."""
    return _STATUS.get(code, 500)


def error_text(error: ToolHiveError) -> str:
    """What the client is told."""
    status = status_of(error.code)
    return error.message if status < 500 or status in _TOLD else HTTPStatus(status).phrase  # noqa: PLR2004  # 5xx


def add_error_answers(app: FastAPI) -> None:
    """Answer all errors in plain text."""
    app.add_exception_handler(ToolHiveError, _answer_known)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unknown)


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status, headers=headers)


async def _answer_known(_request: Request, error: Exception) -> PlainTextResponse:
    assert isinstance(error, ToolHiveError)  # noqa: S101  # registered for this class
    status = status_of(error.code)
    if status >= 500:  # noqa: PLR2004  # 5xx
        _log.warning("a request failed", code=str(error.code), cause=error.message)
    return _plain(status, error_text(error))


async def _answer_invalid(_request: Request, error: Exception) -> PlainTextResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class
    return _plain(400, _sentence(error.errors()))


async def _answer_http(_request: Request, error: Exception) -> PlainTextResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class
    return _plain(error.status_code, str(error.detail), error.headers)


async def _answer_unknown(_request: Request, _error: Exception) -> PlainTextResponse:
    _log.exception("a request failed")
    return _plain(500, HTTPStatus.INTERNAL_SERVER_ERROR.phrase)


def _sentence(errors: Sequence[Any]) -> str:
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path", "header"})
    match first["type"]:
        case "json_invalid":
            return f"the request body is not JSON ({first.get('ctx', {}).get('error', 'it cannot be parsed')})"
        case "missing" if not where:
            return "the request has no body; send a JSON object with the header Content-Type: application/json"
        case _ if not where:
            return "the request body is not a JSON object; send one with the header Content-Type: application/json"
        case _:
            return f"the request does not fit: {where} {problem_of(first)}"
