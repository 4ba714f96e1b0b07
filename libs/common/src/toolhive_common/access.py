"""What each service may do on NATS: its own subjects and nothing else.

``deploy/nats/nats.conf`` is generated from here, and a test compares the two. Each role has an inbox of its own, so
that no service can read the answers meant for another.
"""

from dataclasses import dataclass
from enum import StrEnum

from toolhive_common import subjects

__all__ = ["Access", "Role", "access_of", "inbox_prefix"]


class Role(StrEnum):
    """The NATS users."""

    API = "api"
    AGENT = "agent"
    PROXY = "proxy"
    SUBSCRIBER = "subscriber"
    """A program of the user's that reads lifecycle events."""


@dataclass(frozen=True)
class Access:
    """Subjects that a role may publish to and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    may_reply: bool = False
    """Whether it may publish to the reply subject of a request that it received."""


def inbox_prefix(role: Role) -> str:
    """Prefix of the reply subjects of a role's requests."""
    return f"_INBOX_{role}"


def _read_stream(stream: str) -> tuple[str, ...]:
    return (
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
        f"$JS.ACK.{stream}.>",
        f"$JS.FC.{stream}.>",
    )


def _make_stream(stream: str) -> tuple[str, ...]:
    names = ("CREATE", "UPDATE", "INFO")
    return tuple(f"$JS.API.STREAM.{name}.{stream}" for name in names)


def _manage_stream(stream: str) -> tuple[str, ...]:
    return (*_make_stream(stream)[:2], *_read_stream(stream))


def _read_bucket(bucket: str) -> tuple[str, ...]:
    return _read_stream(f"KV_{bucket}")


def _write_bucket(bucket: str) -> tuple[str, ...]:
    return (f"$KV.{bucket}.>",)


_EVENTS = subjects.event_filter()
_SESSION_EVENTS = "toolhive.events.*.*.session.*"
_PROXY_EVENTS = ("toolhive.events.*.*.proxy.*", _SESSION_EVENTS)
_AGENT_EVENTS = (
    "toolhive.events.*.*.workload.*",
    "toolhive.events.*.*.container.*",
    "toolhive.events.*.*.image.*",
    _SESSION_EVENTS,
)
_MICRO = "$SRV.>"
_ALL_FRAMES_IN = "toolhive.mcp.*.*.*.in"
_ALL_FRAMES_OUT = "toolhive.mcp.*.*.*.out"

_BUCKETS = (
    subjects.DESIRED_BUCKET,
    subjects.OBSERVED_BUCKET,
    subjects.AGENTS_BUCKET,
    subjects.HANDSHAKES_BUCKET,
)


def access_of(role: Role) -> Access:
    """Look up what a role may do."""
    own_inbox = f"{inbox_prefix(role)}.>"
    match role:
        case Role.API:
            return Access(
                publish=(
                    "$JS.API.INFO",
                    *(subject for bucket in _BUCKETS for subject in _manage_stream(f"KV_{bucket}")),
                    *_make_stream(f"KV_{subjects.SESSIONS_BUCKET}"),
                    *_manage_stream(subjects.EVENTS_STREAM),
                    *_write_bucket(subjects.DESIRED_BUCKET),
                    *_write_bucket(subjects.OBSERVED_BUCKET),
                    "toolhive.events.*.*.workload.*",
                    f"{subjects.agent_service('*')}.>",
                ),
                subscribe=(own_inbox, subjects.progress_subject()),
            )
        case Role.AGENT:
            return Access(
                publish=(
                    *_read_bucket(subjects.DESIRED_BUCKET),
                    *_read_bucket(subjects.OBSERVED_BUCKET),
                    *_write_bucket(subjects.OBSERVED_BUCKET),
                    *_read_bucket(subjects.AGENTS_BUCKET),
                    *_write_bucket(subjects.AGENTS_BUCKET),
                    *_read_bucket(subjects.HANDSHAKES_BUCKET),
                    *_write_bucket(subjects.HANDSHAKES_BUCKET),
                    *_read_bucket(subjects.SESSIONS_BUCKET),
                    *_write_bucket(subjects.SESSIONS_BUCKET),
                    *_AGENT_EVENTS,
                    subjects.progress_subject(),
                    _ALL_FRAMES_OUT,
                ),
                subscribe=(
                    own_inbox,
                    f"{subjects.agent_service('*')}.>",
                    _MICRO,
                    _ALL_FRAMES_IN,
                    subjects.edge_subject(),
                ),
                may_reply=True,
            )
        case Role.PROXY:
            return Access(
                publish=(
                    *_read_bucket(subjects.DESIRED_BUCKET),
                    *_read_bucket(subjects.OBSERVED_BUCKET),
                    *_PROXY_EVENTS,
                    _ALL_FRAMES_IN,
                    subjects.edge_subject(),
                ),
                subscribe=(own_inbox, _ALL_FRAMES_OUT),
            )
        case Role.SUBSCRIBER:
            return Access(
                publish=(
                    *_read_stream(subjects.EVENTS_STREAM),
                    f"$JS.API.CONSUMER.DURABLE.CREATE.{subjects.EVENTS_STREAM}.*",
                    "$JS.API.STREAM.NAMES",
                ),
                subscribe=(own_inbox, _EVENTS),
            )
