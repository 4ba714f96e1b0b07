"""The order of the middleware, as data."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from toolhive_proxy.models.asgi import App

__all__ = ["ORDER", "Part", "build_chain"]


class Part(StrEnum):
    """The parts there are, by ToolHive's names where it has them."""

    CORRELATION = "correlation"
    RECOVERY = "recovery"
    BODY_LIMIT = "bodylimit"
    ORIGIN = "origin"


ORDER = (
    Part.CORRELATION,  # first, so that every log line of a request has its id
    Part.RECOVERY,
    Part.BODY_LIMIT,
    Part.ORIGIN,
)
"""From the outermost to the innermost."""


def build_chain(app: App, parts: Mapping[Part, Callable[[App], App]]) -> App:
    """Wrap the application in all parts.

    Raises
    ------
    KeyError
        A part of the order is not given: nothing may be left out silently.
    """
    for part in reversed(ORDER):
        app = parts[part](app)
    return app
