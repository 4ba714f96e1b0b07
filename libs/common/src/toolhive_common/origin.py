"""``Host`` and ``Origin`` of a request -> whether a browser was tricked into sending it (DNS rebinding).

A page may make its own name stand for 127.0.0.1. Its requests then reach a service of this machine with that name in
``Host``, and the browser takes them for the page's own. A service that asks for no password therefore answers only to
the names that it is known by.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

__all__ = ["LOOPBACK_HOSTS", "OriginRule", "refuse_host", "refuse_origin"]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class OriginRule:
    """What is let through. ``None`` = anything."""

    hosts: frozenset[str] | None
    """Host names without port: a container's port is published under any number."""
    origins: frozenset[str] | None
    """Whole origins, in lower case."""
    pages_of: frozenset[str] = frozenset()
    """Host names whose pages may call from any port, in addition."""

    @classmethod
    def for_public_url(cls, url: str) -> Self:
        """Make the rule of a service that clients reach under an address: only pages of that address may call.

        Elsewhere than on loopback the check needs a list and is off without one, for nobody can know the names that
        a public service goes by.
        """
        parts = urlsplit(url)
        if _bracketed(parts.hostname or "") not in LOOPBACK_HOSTS:
            return cls(hosts=None, origins=None)
        default = _DEFAULT_PORTS.get(parts.scheme)
        port = parts.port or default
        origins = {f"{parts.scheme}://{host}:{port}" for host in LOOPBACK_HOSTS}
        if port == default:
            origins |= {f"{parts.scheme}://{host}" for host in LOOPBACK_HOSTS}
        return cls(hosts=LOOPBACK_HOSTS, origins=frozenset(origins))

    @classmethod
    def for_hosts(cls, names: Iterable[str]) -> Self:
        """Make the rule of a service that goes by loopback's names and these, and serves their pages of any port."""
        hosts = LOOPBACK_HOSTS | {_host_name(name.strip()) for name in names if name.strip()}
        return cls(hosts=hosts, origins=frozenset(), pages_of=hosts)


def refuse_host(rule: OriginRule, host: str) -> str:
    """Empty when the ``Host`` header may pass (empty when absent), else the sentence that says why not."""
    if rule.hosts is None or _host_name(host) in rule.hosts:
        return ""
    return f"Host not allowed: {host[:100]!r}"


def refuse_origin(rule: OriginRule, origin: str, *, also: Collection[str] = ()) -> str:
    """Empty when the ``Origin`` header may pass, else the sentence that says why not.

    Parameters
    ----------
    origin
        Empty when absent, as with everything that is no browser.
    also
        Origins allowed for what is called, in lower case. A list replaces the rule's own.
    """
    allowed = frozenset(also) or rule.origins
    if not origin or allowed is None or origin.lower() in allowed or _page_host(origin) in rule.pages_of:
        return ""
    return f"Origin not allowed: {origin[:100]!r}"


def _host_name(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _page_host(origin: str) -> str:
    try:
        return _bracketed(urlsplit(origin).hostname or "")
    except ValueError:
        return ""


def _bracketed(name: str) -> str:
    """Write an IPv6 address as ``Host`` does."""
    return f"[{name}]" if ":" in name else name
