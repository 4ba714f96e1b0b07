"""Where foreign errors become ours. No other module of this package catches them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.exceptions import HTTPError
from websockets.exceptions import InvalidHandshake, InvalidStatus

from toolhive_runtime.errors import ClusterFault, ClusterForbiddenError, ClusterUnreachableError, RuntimeFailure

__all__ = ["refusal", "translated_calls", "translated_handshake"]

_NOT_FOR_US = frozenset({401, 403})


def refusal(status: int, body: bytes, *, doing: str) -> RuntimeFailure:
    """Say why the cluster refused.

    Parameters
    ----------
    body
        Its answer: a status object as JSON, or a sentence.
    doing
        What was asked of it, such as ``apply StatefulSet time``.
    """
    message = _sentence(body)
    return (ClusterForbiddenError if status in _NOT_FOR_US else ClusterFault)(status, doing, message)


@contextmanager
def translated_calls(server: str) -> Iterator[None]:
    """Translate what goes wrong between us and the cluster's API."""
    try:
        yield
    except (OSError, HTTPError) as error:
        raise ClusterUnreachableError(server, _root_cause(error)) from error


@contextmanager
def translated_handshake(server: str, *, doing: str) -> Iterator[None]:
    """Translate what goes wrong while a websocket is opened."""
    try:
        yield
    except InvalidStatus as error:
        raise refusal(error.response.status_code, bytes(error.response.body or b""), doing=doing) from error
    except InvalidHandshake as error:
        raise ClusterFault(0, doing, f"it does not speak websocket ({error})") from error
    except OSError as error:
        raise ClusterUnreachableError(server, _root_cause(error)) from error


def _sentence(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    message = told.get("message") if isinstance(told, dict) else None
    return str(message or body.decode(errors="replace")).strip()


def _root_cause(error: BaseException) -> str:
    """Find the plain words under the layers of urllib3."""
    while (inner := getattr(error, "reason", None)) is not None and isinstance(inner, BaseException):
        error = inner
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).rpartition(">: ")[2] or type(error).__name__
