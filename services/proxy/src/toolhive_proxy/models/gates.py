"""What a request passes on its way to a server: one gate after the other, in an order that is data."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolhive_proxy.models.http import Header, Request, Response
from toolhive_proxy.models.messages import Batch, Message
from toolhive_proxy.models.routes import Route

__all__ = ["Gate", "Identity", "RequestContext", "ResultRewrite"]

ResultRewrite = Callable[[dict[str, Any]], dict[str, Any]]
"""The ``result`` of an answer -> what the client gets instead."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sent a request."""

    subject: str
    """``sub`` of the token; the name of the system's user where no authentication is configured."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims of the verified token. Never the token itself."""


@dataclass(slots=True)
class RequestContext:
    """One request, and what the gates found out about it. A gate may replace what it is there to change."""

    request: Request
    route: Route
    headers: list[Header]
    """What goes on to the server: the client's headers at first, without those that its ``Connection`` names."""
    message: Message | Batch | None = None
    """The body, once it was parsed; ``None`` for a request without one. It is never parsed again."""
    identity: Identity | None = None
    rest: str = ""
    """What of the path came after the workload's name, percent-encoded; kept for remote servers only."""
    rewrites: list[ResultRewrite] = field(default_factory=list)
    """Done, in this order, to the result before the client gets it."""
    seal: Callable[[tuple[Header, ...]], tuple[Header, ...]] | None = None
    """Done to the headers of a server's answer: its session is of use to this caller only."""


Gate = Callable[[RequestContext], Response | Awaitable[Response | None] | None]
"""``None`` lets the request pass, a `Response` answers it."""
