"""Whether what a request says about the proxy before a server is well-formed.

The proxy builds its gates from these settings. One that it cannot read would open or shut the server for all, so it
is refused here, where the user is told.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from toolhive_api.decisions.refusals import invalid
from toolhive_api.models.verdicts import Rejection
from toolhive_common.durations import parse_duration
from toolhive_common.schemas.runconfig import ProxyMode, StdioProcess, Transport
from toolhive_common.schemas.workload import CreateRequest, OidcOptions

__all__ = ["refuse_proxy_settings"]

_PREFIX = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,512}")
_LONGEST_SESSION = 365 * 24 * 3600


def refuse_proxy_settings(request: CreateRequest) -> Rejection | None:
    """Name the first setting that is not well-formed. Those of the middleware are judged with the whole RunConfig."""
    return next((rejection for check in _CHECKS if (rejection := check(request)) is not None), None)


def _refuse_modes(request: CreateRequest) -> Rejection | None:
    modes = tuple(ProxyMode)
    if request.proxy_mode and request.proxy_mode not in modes:
        return invalid(f"proxy_mode {request.proxy_mode[:40]!r} is not known; use one of {', '.join(modes)}")
    kinds = tuple(StdioProcess)
    if request.stdio_process and request.stdio_process not in kinds:
        return invalid(f"stdio_process {request.stdio_process[:40]!r} is not known; use one of {', '.join(kinds)}")
    if request.stdio_process and (request.url or request.transport not in {"", Transport.STDIO}):
        return invalid("stdio_process is for servers with the transport stdio; leave it out")
    if request.stateless and (request.proxy_mode == ProxyMode.SSE or request.transport == Transport.SSE):
        return invalid("stateless takes POST requests only, which SSE cannot do without; leave one of the two out")
    return None


def _refuse_sessions(request: CreateRequest) -> Rejection | None:
    if not request.session_ttl:
        return None
    try:
        seconds = parse_duration(request.session_ttl)
    except ValueError:
        return invalid(f"session_ttl {request.session_ttl[:40]!r} is not a duration; write it as 2h, 30m or 1h30m")
    if not 1 <= seconds <= _LONGEST_SESSION:
        return invalid(f"session_ttl {request.session_ttl[:40]!r} is out of range; give 1s to 8760h")
    return None


def _refuse_addresses(request: CreateRequest) -> Rejection | None:
    prefix = request.endpoint_prefix
    if prefix and (not _PREFIX.fullmatch(prefix) or prefix.startswith("//")):
        return invalid(f"endpoint_prefix {prefix[:80]!r} is not a path; it begins with one '/', such as '/tools'")
    for origin in request.allowed_origins:
        if not _is_origin(origin):
            return invalid(
                f"allowed_origins: {origin[:120]!r} is not an origin; write scheme, host and port as a browser sends "
                "them, such as https://app.example.com"
            )
    return None


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    rest = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return (
        parts.scheme in {"http", "https"} and bool(parts.hostname) and not rest and port != 0 and text.isprintable()
    )


def _refuse_oidc(request: CreateRequest) -> Rejection | None:
    oidc = request.oidc
    if oidc is None:
        return None
    if not (oidc.issuer or oidc.jwks_url or oidc.introspection_url):
        return invalid("oidc: nothing says who issues tokens; give issuer, jwks_url or introspection_url")
    for name in ("issuer", "jwks_url", "introspection_url", "resource_url"):
        if (problem := _url_problem(getattr(oidc, name), oidc)) is not None:
            return invalid(f"oidc.{name} {problem}")
    if any(not scope or " " in scope for scope in (*oidc.scopes, *oidc.required_scopes)):
        return invalid("oidc.scopes or required_scopes: a scope is empty or holds a space; give one word each")
    return None


def _url_problem(url: str, oidc: OidcOptions) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return f"{url[:120]!r} is no URL"
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or not url.isprintable()
        or " " in url
        or "@" in parts.netloc
    ):
        return f"{url[:120]!r} is no URL such as https://issuer.example.com"
    if parts.scheme == "http" and not oidc.insecure_allow_http:
        return "is a http:// URL, over which keys could be forged; use https://, or insecure_allow_http for a test"
    return None


_CHECKS: tuple[Callable[[CreateRequest], Rejection | None], ...] = (
    _refuse_modes,
    _refuse_sessions,
    _refuse_addresses,
    _refuse_oidc,
)
