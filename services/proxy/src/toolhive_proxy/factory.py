"""Builds the proxy's parts from its settings, and joins them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, BusSettings
from toolhive_common.messaging.events import EventLog
from toolhive_common.observability.correlation import new_correlation_id
from toolhive_common.origin import OriginRule
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, SyncMarker
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.adapters.upstream_stdio import StdioLinks
from toolhive_proxy.config import Settings
from toolhive_proxy.middleware.chain import GateChains, Part, no_gate
from toolhive_proxy.middleware.origin import OriginCheck
from toolhive_proxy.middleware.parser import parse_body
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.models.upstream import UpstreamLimits
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.links import Links
from toolhive_proxy.services.message_stream import StreamLimits
from toolhive_proxy.services.route_keeper import RouteKeeper
from toolhive_proxy.services.session_calls import SessionCalls
from toolhive_proxy.services.session_store import SessionStore
from toolhive_proxy.services.tasks import Tasks

__all__ = ["Parts", "build", "bus_settings", "correlation_ids"]


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def correlation_ids() -> Callable[[str], str]:
    """Make what gives each request its id: the client's where it is harmless to log, else the next of a row.

    A row that begins at random is as unique as random ids, and costs a fifth.
    """
    prefix = uuid.uuid4().hex[:20]
    numbers = count(1)

    def give(given: str) -> str:
        return new_correlation_id(given) if given else f"{prefix}{next(numbers):012x}"

    return give


@dataclass(frozen=True)
class Parts:
    """The services of a running proxy."""

    bus: Bus
    directory: Directory
    calls: SessionCalls
    forwarding: Forwarding
    teller: EventTeller
    keeper: RouteKeeper
    chains: GateChains
    origin: OriginCheck
    runner: GateRunner
    tasks: Tasks
    now: Callable[[], datetime] = _now


def bus_settings(settings: Settings) -> BusSettings:
    """How the proxy reaches NATS."""
    return BusSettings(
        url=settings.nats_url,
        role=Role.PROXY,
        password=settings.nats_password.get_secret_value(),
        name="toolhive-proxy",
        ca_file=settings.nats_ca_file,
    )


def build(settings: Settings, bus: Bus) -> Parts:
    """Make all services over one connection to NATS."""
    patience = settings.request_timeout
    http = UpstreamHttp(replace(UpstreamLimits(), answer_timeout=patience.total_seconds()))
    stdio = StdioLinks(bus, max_message=settings.proxy_max_message)
    links = Links(stdio, http, max_message=settings.proxy_max_message, patience=patience.total_seconds())
    teller = EventTeller(EventLog(bus), proxy=_new_id()[:12], url=settings.public_url, now=_now, new_id=_new_id)
    store = SessionStore(
        links,
        teller,
        limits=StreamLimits(size=settings.proxy_max_message),
        ttl=settings.session_ttl,
        max_sessions=settings.proxy_max_sessions,
        now=_now,
        new_id=_new_id,
    )
    directory = Directory(
        Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload),
        Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload),
        Bucket(bus, subjects.DESIRED_BUCKET, SyncMarker),
    )
    tasks = Tasks()
    origin = OriginCheck(OriginRule.for_public_url(settings.public_url))
    chains = _gate_chains(origin)
    directory.tell(lambda _changes, table: chains.keep_only(table))
    return Parts(
        bus=bus,
        directory=directory,
        calls=SessionCalls(store, patience=patience),
        forwarding=Forwarding(http, teller),
        teller=teller,
        keeper=RouteKeeper(bus, directory, store, teller, http),
        chains=chains,
        origin=origin,
        runner=GateRunner(tasks),
        tasks=tasks,
    )


def _gate_chains(origin: OriginCheck) -> GateChains:
    return GateChains(
        {
            Part.ORIGIN: origin.gate,
            Part.AUTH: no_gate,
            Part.MCP_PARSER: lambda _route: parse_body,
            Part.TOOL_FILTER: no_gate,
            Part.TOOL_CALL_FILTER: no_gate,
            Part.HEADER_FORWARD: no_gate,
        }
    )
