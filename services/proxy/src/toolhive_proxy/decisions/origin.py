"""``Host`` and ``Origin`` of a request -> whether a browser was tricked into sending it (DNS rebinding).

ToolHive's rule: where the public address is a loopback one, only pages of that very address may call. Elsewhere the
check needs a list and is off without one, for nobody can know the names that a public proxy goes by.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

__all__ = ["OriginRule", "may_pass"]

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class OriginRule:
    """What is let through. ``None`` = anything."""

    origins: frozenset[str] | None
    hosts: frozenset[str] | None
    """Host names without port: a container's port is published under any number."""

    @classmethod
    def for_public_url(cls, url: str) -> Self:
        """Make the default rule of a proxy that clients reach under an address."""
        parts = urlsplit(url)
        if parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            return cls(origins=None, hosts=None)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        origins = {f"{parts.scheme}://{host}:{port}" for host in _LOOPBACK}
        if port == (443 if parts.scheme == "https" else 80):
            origins |= {f"{parts.scheme}://{host}" for host in _LOOPBACK}
        return cls(origins=frozenset(origins), hosts=frozenset(_LOOPBACK))


def may_pass(rule: OriginRule, *, host: str, origin: str, also: Collection[str] = ()) -> str:
    """Empty when the request may pass, else the sentence that says why not.

    Parameters
    ----------
    host
        The ``Host`` header; empty when absent.
    origin
        The ``Origin`` header; empty when absent, as with everything that is no browser.
    also
        ``allowed_origins`` of the workload. A list replaces the default.
    """
    if rule.hosts is not None and _host_name(host) not in rule.hosts:
        return f"Host not allowed: {host[:100]!r}"
    allowed = frozenset(also) or rule.origins
    if origin and allowed is not None and origin.lower() not in allowed:
        return f"Origin not allowed: {origin[:100]!r}"
    return ""


def _host_name(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
