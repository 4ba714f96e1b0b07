"""Servers that run elsewhere: what their URL says, and where clients of the proxy find them."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.schemas.runconfig import ProxyMode, RunConfig, Transport

__all__ = ["InvalidRemoteUrlError", "RemoteAddress", "parse_remote_url", "public_path"]

_LONGEST = 2048
_PLAIN = re.compile(r"[\x21-\x7e]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_HOST = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MCP, _SSE = "/mcp", "/sse"
_TAKEN = frozenset({"/health", "/messages"})
"""Paths of a workload that the proxy itself answers."""


class InvalidRemoteUrlError(ToolHiveError):
    """No server can be reached at that URL."""

    def __init__(self, problem: str) -> None:
        # The URL itself may hold a key in its query: it is not repeated.
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"the URL of the remote server {problem}; give one such as https://example.com/mcp",
        )


@dataclass(frozen=True)
class RemoteAddress:
    """The parts of a remote server's URL."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    path: str
    """As written, percent-encoded; empty when there is none or only ``/``."""
    query: str
    """As written, without the question mark. May hold a key: never told to anybody but the server."""

    @property
    def origin(self) -> str:
        """Scheme, host and port, as an origin is written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def shown(self) -> str:
        """The URL as users and logs may see it."""
        return f"{self.origin}{self.path}"


def parse_remote_url(url: str) -> RemoteAddress:
    """Take a remote server's URL apart.

    Raises
    ------
    InvalidRemoteUrlError
        It is no URL over HTTP, or holds a user's name or password.
    """
    if len(url) > _LONGEST:
        raise InvalidRemoteUrlError(f"has more than {_LONGEST} characters")
    if not _PLAIN.fullmatch(url):
        raise InvalidRemoteUrlError("holds spaces or other characters that have to be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidRemoteUrlError("cannot be read") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidRemoteUrlError("begins with neither http:// nor https://")
    if not parts.hostname:
        raise InvalidRemoteUrlError("names no host")
    if not _is_host(parts.hostname):
        raise InvalidRemoteUrlError("names a host that cannot be looked up")
    if port == 0:
        raise InvalidRemoteUrlError("names port 0")
    if "@" in parts.netloc:
        raise InvalidRemoteUrlError("holds a user name or password, which would be seen by whoever lists workloads")
    return RemoteAddress(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[parts.scheme],
        path="" if parts.path == "/" else parts.path,
        query=parts.query,
    )


def _is_host(name: str) -> bool:
    """Whether a name, or an address, can be looked up (RFC 1123, and underscores, which containers' names have)."""
    if ":" in name:
        try:
            return ipaddress.IPv6Address(name).version == 6  # noqa: PLR2004  # IPv6
        except ValueError:
            return False
    labels = name.removesuffix(".").split(".")
    return len(name) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in labels)


def public_path(run_config: RunConfig) -> str:
    """Path, after the workload's name, that clients are told to connect to; ToolHive's rules.

    A remote server keeps the path that it has at home, so that a client's configuration looks like the server's
    own. Where the proxy needs that path for itself, the front's usual one is told.
    """
    if not run_config.remote_url:
        return _SSE if run_config.proxy_mode is ProxyMode.SSE else _MCP
    path = parse_remote_url(run_config.remote_url).path
    sse = run_config.transport is Transport.SSE
    if path in _TAKEN or path.startswith("/.well-known"):
        return _SSE if sse else _MCP
    return path or (_SSE if sse else "")
