"""What proxies before this one say about a request, and what comes of it when they are trusted."""

import re
from collections.abc import Sequence

from toolhive_proxy.models.http import Header

__all__ = ["endpoint_url", "tells_who_asks"]

_NAMES = frozenset({b"forwarded", b"x-real-ip"})
_INITIALS = frozenset({b"f", b"x"})  # looked at first: nearly all headers begin otherwise
_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


def tells_who_asks(name: bytes) -> bool:
    """Whether a header (in lower case) says who asked, and where, before a proxy passed the request on."""
    return name[:1] in _INITIALS and (name.startswith(b"x-forwarded-") or name in _NAMES)


def endpoint_url(path: str, *, endpoint_prefix: str, headers: Sequence[Header], trust: bool) -> str:
    """Where a client of the legacy SSE front is told to send its messages.

    Parameters
    ----------
    path
        Path and query at this proxy.
    endpoint_prefix
        The workload's own setting, which comes before what a proxy says.
    trust
        The workload's ``trust_proxy_headers``.

    Returns
    -------
    str
        A path, or a URL where a trusted proxy says which host the client knows.
    """
    said = _said(headers) if trust else {}
    prefix = (endpoint_prefix or said.get(b"x-forwarded-prefix", "")).rstrip("/")
    if not _PREFIX.fullmatch(prefix) or ".." in prefix.split("/"):
        prefix = ""
    host, scheme = said.get(b"x-forwarded-host", ""), said.get(b"x-forwarded-proto", "").lower()
    base = f"{scheme}://{host}" if _HOST.fullmatch(host) and scheme in {"http", "https"} else ""
    return f"{base}{prefix}{path}"


def _said(headers: Sequence[Header]) -> dict[bytes, str]:
    """Take what the proxy nearest to the client said: the first of a list."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name.startswith(b"x-forwarded-"):
            found.setdefault(name, value.decode("latin-1").partition(",")[0].strip())
    return found
