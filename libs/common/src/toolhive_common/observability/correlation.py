"""The correlation id: given to a request where it enters, and carried across NATS to every log line about it."""

import re
import uuid
from contextvars import ContextVar

__all__ = ["NATS_HEADER", "correlated", "correlation_id", "new_correlation_id"]

NATS_HEADER = "Toolhive-Correlation-Id"

_current: ContextVar[str] = ContextVar("toolhive_correlation_id", default="")
_ALLOWED = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def correlation_id() -> str:
    """Id of the request that the running task works for; empty outside of one."""
    return _current.get()


def new_correlation_id(given: str | None = None) -> str:
    """Take the caller's id where it is harmless to log, else make one."""
    if given and _ALLOWED.fullmatch(given):
        return given
    return uuid.uuid4().hex


class correlated:  # noqa: N801  # a context manager, called like those of contextlib, and entered for each request
    """Let everything inside work for the request of this id."""

    __slots__ = ("_token", "_value")

    def __init__(self, value: str) -> None:
        self._value = value

    def __enter__(self) -> None:
        self._token = _current.set(self._value)

    def __exit__(self, *_failure: object) -> None:
        _current.reset(self._token)
