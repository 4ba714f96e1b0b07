"""Whether to go where a remote server points to."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from toolhive_proxy.models.routes import Origin

__all__ = ["MOST_REDIRECTS", "Follow", "Refuse", "judge_redirect"]

MOST_REDIRECTS = 10
_KEEPING = frozenset({301, 302, 307, 308})
"""Answers that point elsewhere, where the same request is to be sent."""
_SEE_OTHER = 303
_NO_ADDRESS = "the remote server redirects to an address that is none; tell whoever runs it"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Follow:
    """Send the same request there: method, body and headers, but for ``Host``."""

    origin: Origin
    path: str
    """With the query."""


@dataclass(frozen=True)
class Refuse:
    """Go nowhere, and tell the client: it would follow with all its headers otherwise."""

    reason: str
    """Sentence for the client."""


def judge_redirect(origin: Origin, path: str, status: int, location: str, *, followed: int) -> Follow | Refuse | None:
    """Judge the answer of a remote server; ``None`` = it points nowhere, and goes to the client.

    A request carries its client's credentials, so that it stays with the host that the user named, and never goes on
    in the clear once it was encrypted.

    Parameters
    ----------
    origin, path
        What was asked.
    location
        The header's value; empty when there is none.
    followed
        Redirects of this request that were followed before.
    """
    if location and status == _SEE_OTHER:
        return Refuse("the remote server answers that the result of the call is elsewhere, as no MCP server does")
    if status not in _KEEPING or not location:
        return None
    if followed >= MOST_REDIRECTS:
        return Refuse(f"the remote server redirects more than {MOST_REDIRECTS} times; check its URL")
    try:
        parts = urlsplit(urljoin(f"{origin.scheme}://{origin.authority}{path}", location))
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return Refuse(_NO_ADDRESS)
    if (reason := _reason_against(origin, location, parts)) is not None:
        return Refuse(reason)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Follow(Origin(origin.host, port, parts.scheme), target)


def _reason_against(origin: Origin, location: str, parts: SplitResult) -> str | None:
    if not location.isascii() or not location.isprintable() or " " in location:
        return _NO_ADDRESS
    if parts.hostname != origin.host.lower():
        return (
            "the remote server redirects to another host, which is not followed; if that is meant, run the workload "
            "with the new URL"
        )
    if origin.scheme == "https" and parts.scheme == "http":
        return "the remote server redirects from https to http, which is not followed; check its URL"
    return None
