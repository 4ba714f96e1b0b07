"""Addresses of identity providers: where their documents are, and which may be asked at all."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["ProviderUrl", "discovery_urls", "is_public", "parse_provider_url"]

_OIDC = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True)
class ProviderUrl:
    """A URL taken apart."""

    is_secure: bool
    host: str
    port: int
    target: str
    """Path and query."""
    authority: str
    """Value of the ``Host`` header."""


def parse_provider_url(url: str, *, allow_http: bool) -> ProviderUrl:
    """Take a provider's URL apart.

    Raises
    ------
    ValueError
        It may not be asked; the message says why.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it is no http or https URL")
    if parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it holds characters that no such URL may hold")
    if parts.scheme == "http" and not allow_http:
        raise ValueError("it is http, over which keys can be forged; use https, or set InsecureAllowHTTP for a test")
    secure = parts.scheme == "https"
    target = parts.path or "/"
    return ProviderUrl(
        secure,
        parts.hostname,
        parts.port or (443 if secure else 80),
        f"{target}?{parts.query}" if parts.query else target,
        parts.netloc,
    )


def discovery_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be: OpenID Connect's address, RFC 8414's, and what stands between them."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    found = (f"{base}{path}{_OIDC}", f"{base}{_OAUTH}{path}", f"{base}{_OIDC}{path}")
    return tuple(dict.fromkeys(found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_global and not (mapped or found).is_multicast
