"""Builds the proxy's parts from its settings, and joins them."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.durations import parse_duration
from toolhive_common.mcp.port import RefusalCode
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, BusSettings
from toolhive_common.messaging.events import EventLog
from toolhive_common.observability.correlation import new_correlation_id
from toolhive_common.origin import OriginRule
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, SyncMarker
from toolhive_proxy.adapters.stdio_port import StdioPorts
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.config import Settings
from toolhive_proxy.middleware.chain import GateChains, Part, no_gate
from toolhive_proxy.middleware.origin import OriginCheck
from toolhive_proxy.middleware.parser import parse_body
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import UpstreamLimits
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.inbox import Inboxes, InboxLimits
from toolhive_proxy.services.link_launcher import LinkLauncher
from toolhive_proxy.services.local_port import LocalPort
from toolhive_proxy.services.ports import Ports
from toolhive_proxy.services.route_keeper import RouteKeeper
from toolhive_proxy.services.sessions import Sessions
from toolhive_proxy.services.tasks import Tasks
from toolhive_proxy.services.tool_headers import ToolHeaders
from toolhive_sessions.records import Policy

__all__ = ["Parts", "build", "bus_settings", "correlation_ids"]


def _now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """Make an id that nobody can guess."""
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
    sessions: Sessions
    inboxes: Inboxes
    tool_headers: ToolHeaders
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
    edge = new_id()[:12]
    teller = EventTeller(EventLog(bus), proxy=edge, url=settings.public_url, now=_now, new_id=new_id)
    inboxes = Inboxes(InboxLimits(patience=settings.proxy_slow_client))
    ports = _ports(settings, bus, http, teller, inboxes, edge=edge)
    sessions = Sessions(ports, inboxes)
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
        sessions=sessions,
        inboxes=inboxes,
        tool_headers=ToolHeaders(sessions, time.monotonic),
        forwarding=Forwarding(http, teller),
        teller=teller,
        keeper=RouteKeeper(bus, directory, ports, teller, http),
        chains=chains,
        origin=origin,
        runner=GateRunner(tasks),
        tasks=tasks,
    )


def _ports(
    settings: Settings, bus: Bus, http: UpstreamHttp, teller: EventTeller, inboxes: Inboxes, *, edge: str
) -> Ports:
    limit, patience = settings.proxy_max_message, settings.proxy_request_timeout

    def make_local(route: Route) -> LocalPort:
        launcher = LinkLauncher(http, route, max_message=limit, patience=patience)
        ttl = route.run_config.session_ttl
        policy = Policy(
            per_session=True,
            has_main=False,
            modern=False,
            ttl=parse_duration(ttl) if ttl else settings.proxy_session_ttl,
            max_sessions=settings.proxy_max_sessions,
            max_processes=settings.proxy_max_sessions,
        )
        return LocalPort(route, policy, launcher, inboxes, teller, edge=edge, max_message=limit)

    def undeliverable(stream: int, text: str) -> None:
        inboxes.fail(stream, RefusalCode.SERVER_UNAVAILABLE, text)

    stdio = StdioPorts(bus, edge, max_message=limit, take=inboxes.deliver, on_undeliverable=undeliverable)
    return Ports(stdio, inboxes, make_local)


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
