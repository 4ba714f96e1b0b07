"""Which servers are scored, and over which paths. All of it is data: a new path is a line here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..support.stack import ROOT
from .suite import REVISIONS

__all__ = ["CASES", "Case", "Served"]

LEGACY, MODERN = REVISIONS
_GO = "go://github.com/modelcontextprotocol/go-sdk/conformance/everything-server@v1.8.0"
_EVERYTHING_IMAGE = ROOT / ".cache/everything-image"


@dataclass(frozen=True)
class Served:
    """How a server is started to speak over one transport; ``{port}`` in an argument is where it listens."""

    transport: str
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """One server that has the suite's fixtures."""

    name: str
    ways: Mapping[tuple[str, str], Served]
    """By revision and transport. What it speaks over streamable-http is the measure for the other transports."""

    @property
    def image(self) -> str:
        """What the product is told to run."""
        return _GO if self.name == "go" else _EVERYTHING_IMAGE.read_text().strip()


@dataclass(frozen=True)
class Case:
    """One server, as seen through the proxy over one path."""

    server: Server
    transport: str
    """Between proxy and server."""
    revision: str
    place: str = "compose"
    """Where the proxy runs: in the stack, by itself, where it holds the server's container, or in a cluster."""

    def __str__(self) -> str:
        return f"{self.server.name}-{self.transport}-{self.revision}-{self.place}"

    @property
    def served(self) -> Served:
        """How the server is started behind the proxy."""
        return self.server.ways[self.revision, self.transport]

    @property
    def direct(self) -> Served:
        """How it is started to be scored without a proxy."""
        return self.server.ways[self.revision, "streamable-http"]


_LISTEN = ("-http", "{host}:{port}")
_PORT = {"PORT": "{port}", "HOST": "{host}"}
_SERVERS = (
    # The Go SDK: over HTTP it keeps sessions or does not, for each era the way it is asked to.
    Server(
        "go",
        {
            (LEGACY, "stdio"): Served("stdio"),
            (MODERN, "stdio"): Served("stdio"),
            (LEGACY, "streamable-http"): Served("streamable-http", (*_LISTEN, "-stateless=false")),
            (MODERN, "streamable-http"): Served("streamable-http", _LISTEN),
        },
    ),
    # The Python SDK: both eras at once. HTTP+SSE ended with the first era.
    Server(
        "py",
        {
            (LEGACY, "stdio"): Served("stdio", ("stdio",)),
            (MODERN, "stdio"): Served("stdio", ("stdio",)),
            (LEGACY, "sse"): Served("sse", ("sse",), _PORT),
            (LEGACY, "streamable-http"): Served("streamable-http", ("streamable-http",), _PORT),
            (MODERN, "streamable-http"): Served("streamable-http", ("streamable-http",), _PORT),
        },
    ),
)
_PLACES = ("compose", "detached", "cluster")
CASES = tuple(
    Case(server, transport, revision, place)
    for place in _PLACES
    for server in _SERVERS
    for revision, transport in server.ways
)
