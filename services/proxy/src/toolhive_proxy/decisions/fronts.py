"""Path of a request, after the workload's name -> the front that answers it, and what the server is asked for."""

from enum import Enum, auto

from toolhive_common.remote import public_path
from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.models.routes import Route

__all__ = ["Front", "front_of", "server_path"]


class Front(Enum):
    """Ways in which clients speak to a workload."""

    STREAMABLE_HTTP = auto()
    SSE = auto()
    """The stream of the older transport."""
    SSE_MESSAGES = auto()
    """Where its clients post to."""


_FRONTS = {"/mcp": Front.STREAMABLE_HTTP, "/sse": Front.SSE, "/messages": Front.SSE_MESSAGES}


def front_of(route: Route, rest: str) -> Front | None:
    """Find the front; ``None`` = there is nothing at that path.

    Every workload has the usual ones. A remote server has one more, at the path that it has at home, which is the one
    that clients are told; one without a path takes whatever comes after its name.

    Parameters
    ----------
    rest
        Begins with a slash, or is empty. The health check and what else the proxy answers itself never comes here.
    """
    if not route.remote:
        return _FRONTS.get(rest)
    own = Front.SSE if route.transport is Transport.SSE else Front.STREAMABLE_HTTP
    if _trimmed(rest) == public_path(route.run_config):
        return own
    usual = _FRONTS.get(rest.removesuffix("/"))
    return own if usual is None and not route.target.path else usual


def server_path(route: Route, rest: str, query: str) -> str:
    """Write what an HTTP server is asked for: path and query.

    Parameters
    ----------
    rest
        The client's path after the workload's name, percent-encoded as it came.
    query
        The client's, without the question mark. What the remote server's URL says goes first, as in ToolHive.
    """
    path = route.target.path or rest or "/"
    if not query and not route.target.query:
        return path
    both = "&".join(part for part in (route.target.query, query) if part)
    return f"{path}?{both}" if both else path


def _trimmed(rest: str) -> str:
    return "" if rest == "/" else rest
