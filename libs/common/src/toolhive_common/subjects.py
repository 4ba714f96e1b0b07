"""Every NATS subject, stream and bucket: built and parsed here and nowhere else.

A workload's name may hold dots, which part a subject's tokens. On the wire a dot in a name is written ``=``,
which no name may hold and NATS allows in tokens and bucket keys alike.
"""

from dataclasses import dataclass
from typing import Literal, Self

from toolhive_common.schemas.events import EventType
from toolhive_common.schemas.state import WorkloadKey

__all__ = [
    "AGENTS_BUCKET",
    "DESIRED_BUCKET",
    "EVENTS_STREAM",
    "HANDSHAKES_BUCKET",
    "OBSERVED_BUCKET",
    "SESSIONS_BUCKET",
    "SYNCED_KEY",
    "McpFrameSubject",
    "agent_service",
    "bucket_key",
    "edge_subject",
    "event_filter",
    "event_subject",
    "parse_bucket_key",
    "progress_subject",
    "session_key",
]

EVENTS_STREAM = "TOOLHIVE_EVENTS"
DESIRED_BUCKET = "toolhive_desired"
OBSERVED_BUCKET = "toolhive_observed"
AGENTS_BUCKET = "toolhive_agents"
HANDSHAKES_BUCKET = "toolhive_handshakes"
"""What a running stdio server answered to ``initialize``, so that an agent's restart does not ask it again."""
SESSIONS_BUCKET = "toolhive_sessions"
"""What clients' sessions with running stdio servers are, so that they outlive an agent's process."""

SYNCED_KEY = "_meta.synced"
"""Key of the `SyncMarker`. Watchers of a bucket are not told keys that begin with ``_``."""

_PREFIX = "toolhive"


def _token(name: str) -> str:
    return name.replace(".", "=")


def _name(token: str) -> str:
    return token.replace("=", ".")


def bucket_key(key: WorkloadKey) -> str:
    """Key of a workload in the buckets: ``<namespace>.<workload>``."""
    return f"{_token(key.namespace)}.{_token(key.name)}"


def parse_bucket_key(text: str) -> WorkloadKey:
    """Read a bucket key back.

    Raises
    ------
    ValueError
        The text is no such key.
    """
    namespace, name = text.split(".")
    return WorkloadKey(namespace=_name(namespace), name=_name(name))


def session_key(key: WorkloadKey, name: str) -> str:
    """Key of a session of a workload in its bucket: ``<namespace>.<workload>.<name>``."""
    return f"{bucket_key(key)}.{name.replace('~', '=')}"


def event_subject(key: WorkloadKey, event_type: EventType) -> str:
    """Subject of an event: ``toolhive.events.<namespace>.<workload>.<noun>.<verb>``."""
    return f"{_PREFIX}.events.{bucket_key(key)}.{event_type}"


def event_filter(
    *, namespace: str | None = None, workload: str | None = None, event_type: EventType | None = None
) -> str:
    """Subject filter for the events of one or all namespaces, workloads and types."""
    tail = str(event_type) if event_type else ">"
    where = f"{_token(namespace) if namespace else '*'}.{_token(workload) if workload else '*'}"
    return f"{_PREFIX}.events.{where}.{tail}"


def progress_subject(key: WorkloadKey | None = None) -> str:
    """Subject of progress reports, of one workload or of all."""
    return f"{_PREFIX}.progress.{bucket_key(key) if key else '>'}"


def agent_service(agent: str) -> str:
    """Prefix of the endpoints of one agent's micro service; the operation's name follows."""
    return f"{_PREFIX}.agent.{_token(agent)}"


def edge_subject(edge: str = "*") -> str:
    """Subject of the signs of life of one proxy, or of all."""
    return f"{_PREFIX}.edge.{edge}"


@dataclass(frozen=True)
class McpFrameSubject:
    """Subject of what one proxy and the keeper of one workload's sessions say to each other.

    ``in`` is from the proxy to the workload's agent, ``out`` back to that proxy.
    """

    key: WorkloadKey
    edge: str
    """Id of the proxy's process."""
    direction: Literal["in", "out"]

    def __str__(self) -> str:
        return f"{_PREFIX}.mcp.{bucket_key(self.key)}.{self.edge}.{self.direction}"

    @classmethod
    def parse(cls, subject: str) -> Self:
        """Read a frame's subject back.

        Raises
        ------
        ValueError
            The subject is not a frame's.
        """
        prefix, mcp, namespace, workload, edge, direction = subject.split(".")
        if (prefix, mcp) != (_PREFIX, "mcp") or direction not in {"in", "out"}:
            raise ValueError(f"not a frame subject: {subject}")
        return cls(
            key=parse_bucket_key(f"{namespace}.{workload}"),
            edge=edge,
            direction="in" if direction == "in" else "out",
        )

    @staticmethod
    def to_server(key: WorkloadKey) -> str:
        """Filter for what all proxies send to one workload."""
        return f"{_PREFIX}.mcp.{bucket_key(key)}.*.in"

    @staticmethod
    def to_edge(edge: str) -> str:
        """Filter for what all workloads send to one proxy."""
        return f"{_PREFIX}.mcp.*.*.{edge}.out"
