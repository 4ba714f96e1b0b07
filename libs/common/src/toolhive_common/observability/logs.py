"""JSON logs on standard error, one object a line."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer

from toolhive_common.observability.correlation import correlation_id

__all__ = ["configure_logging"]


def _add_correlation_id(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (current := correlation_id()) and "correlation_id" not in event:
        event["correlation_id"] = current
    return event


_QUOTING = frozenset({"ValidationError"})
"""Types of exceptions whose text repeats the values that they are about."""
_LEFT_OUT = "(its text quotes values, and is left out)"
_TRACEBACKS = ExceptionDictTransformer(show_locals=False)  # which are tokens, and what servers and clients say


def _without_values(exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
    """Tell where an exception came from, and nothing of what was worked on there."""
    stacks = _TRACEBACKS(exc_info)
    _leave_out(stacks)
    return stacks


def _leave_out(stacks: list[dict[str, Any]]) -> None:
    for stack in stacks:
        if stack["exc_type"] in _QUOTING:
            stack["exc_value"] = _LEFT_OUT
        for group in stack["exceptions"]:
            _leave_out(group)


def _render(value: object, **options: Any) -> str:
    return orjson.dumps(value, default=options.get("default")).decode()


def configure_logging(service: str, *, level: str = "INFO") -> None:
    """Send structlog's and the libraries' own log records to standard error as JSON.

    Parameters
    ----------
    service
        Stands in each line as ``service``.
    level
        Lowest level that is written, such as ``INFO``.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_correlation_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.EventRenamer("message"),
        structlog.processors.ExceptionRenderer(_without_values),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )

    def add_service(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_service,
                structlog.processors.JSONRenderer(serializer=_render),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "httpx", "nats"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for server_logger in ("uvicorn", "uvicorn.error"):
        logging.getLogger(server_logger).handlers[:] = []
