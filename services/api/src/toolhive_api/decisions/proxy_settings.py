"""Whether what a request says about the proxy before a server is well-formed.

The proxy builds its gates from these settings. One that it cannot read would open or shut the server for all, so it
is refused here, where the user is told.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from toolhive_api.decisions.refusals import invalid
from toolhive_api.models.verdicts import Rejection
from toolhive_common.durations import parse_duration
from toolhive_common.schemas.runconfig import ProxyMode, StdioProcess, Transport
from toolhive_common.schemas.workload import CreateRequest, OidcOptions

__all__ = ["refuse_proxy_settings"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_RESTRICTED = frozenset(
    {
        "host", "connection", "keep-alive", "te", "trailer", "upgrade", "http2-settings", "proxy-authorization",
        "proxy-authenticate", "proxy-connection", "transfer-encoding", "content-length", "forwarded",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    }
)  # fmt: skip
"""Headers that belong to the connection or say who asks; ToolHive's list."""
_PROTOCOLS_OWN = frozenset({"mcp-session-id", "mcp-protocol-version", "content-type", "accept", "last-event-id"})
"""Headers that the protocol itself sets for each request."""
_PREFIX = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,512}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_NAME = 256


def refuse_proxy_settings(request: CreateRequest) -> Rejection | None:
    """Name the first setting of the proxy that is not well-formed."""
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
        parse_duration(request.session_ttl)
    except ValueError:
        return invalid(f"session_ttl {request.session_ttl[:40]!r} is not a duration; write it as 2h, 30m or 1h30m")
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


def _refuse_tools(request: CreateRequest) -> Rejection | None:
    if not all(0 < len(name) <= _LONGEST_NAME for name in request.tools):
        return invalid(f"tools: a tool's name has 1 to {_LONGEST_NAME} characters")
    shown: dict[str, str] = {}
    for tool, override in request.tools_override.items():
        if not tool or not (override.name or override.description):
            return invalid(f"tools_override: {tool[:120]!r} gets neither a name nor a description; give one")
        other = shown.setdefault(override.name or tool, tool)
        if other != tool:
            return invalid(
                f"tools_override: {other[:120]!r} and {tool[:120]!r} would both be called "
                f"{(override.name or tool)[:120]!r}; give one of them another name"
            )
    return None


def _refuse_headers(request: CreateRequest) -> Rejection | None:
    headers: Mapping[str, str] = request.header_forward.add_plaintext_headers if request.header_forward else {}
    if len({name.lower() for name in headers}) < len(headers):
        return invalid("header_forward: one header is given twice, in different case; leave one of them out")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            return invalid(f"header_forward: {name[:120]!r} cannot be a header's name")
        if name.lower() in _RESTRICTED | _PROTOCOLS_OWN:
            return invalid(f"header_forward: {name} is set by the proxy or the protocol itself; leave it out")
        if not _VALUE.fullmatch(value):
            # Its value may be a key: it is not repeated.
            return invalid(f"header_forward: the value of {name} holds characters that no header may hold")
    return None


def _refuse_oidc(request: CreateRequest) -> Rejection | None:
    oidc = request.oidc
    if oidc is None:
        return None
    if not (oidc.issuer or oidc.jwks_url or oidc.introspection_url):
        return invalid("oidc: nothing says who issues tokens; give issuer, jwks_url or introspection_url")
    for name in ("issuer", "jwks_url", "introspection_url", "resource_url"):
        if (problem := _url_problem(getattr(oidc, name), oidc)) is not None:
            return invalid(f"oidc.{name} {problem}")
    if any(not scope or " " in scope for scope in oidc.scopes):
        return invalid("oidc.scopes: a scope is empty or holds a space; give one word each")
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
    if parts.scheme == "http" and not (oidc.insecure_allow_http or host in _LOOPBACK):
        return "is a http:// URL, over which keys could be forged; use https://, or insecure_allow_http for a test"
    return None


_CHECKS: tuple[Callable[[CreateRequest], Rejection | None], ...] = (
    _refuse_modes,
    _refuse_sessions,
    _refuse_addresses,
    _refuse_tools,
    _refuse_headers,
    _refuse_oidc,
)
