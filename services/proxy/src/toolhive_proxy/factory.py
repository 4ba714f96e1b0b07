"""Builds the proxy's parts from its settings, and joins them."""

import getpass
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
from toolhive_common.middleware.parts import OriginCheck as OriginPart
from toolhive_common.middleware.parts import Part, PartName
from toolhive_common.observability.correlation import new_correlation_id
from toolhive_common.origin import OriginRule
from toolhive_common.remote import public_path
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, SyncMarker
from toolhive_proxy.adapters.stdio_port import StdioPorts
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.places import path_of
from toolhive_proxy.middleware.chain import GateChains
from toolhive_proxy.middleware.origin import OriginCheck
from toolhive_proxy.middleware.parser import parse_body
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.middleware.workload_gates import GateSettings, WorkloadGates, forwarded_headers
from toolhive_proxy.models.gates import Gate
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import UpstreamLimits
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.inbox import Inboxes, InboxLimits
from toolhive_proxy.services.link_launcher import LinkLauncher
from toolhive_proxy.services.local_port import LocalPort
from toolhive_proxy.services.metrics import Metrics
from toolhive_proxy.services.ports import Ports
from toolhive_proxy.services.remote_http import RemoteHttp
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
    metrics: Metrics
    endpoint_of: Callable[[Route], str]
    """URL that a workload's clients are told."""
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
    http = UpstreamHttp(
        replace(UpstreamLimits(), answer_timeout=patience.total_seconds()), ca_bundle=settings.ca_certificates
    )
    metrics = Metrics()
    edge = new_id()[:12]
    teller = EventTeller(EventLog(bus), proxy=edge, url=settings.public_url, now=_now, new_id=new_id)
    inboxes = Inboxes(InboxLimits(patience=settings.proxy_slow_client))
    ports = _ports(settings, bus, http, teller, inboxes, metrics, edge=edge)
    sessions = Sessions(ports, inboxes)
    directory = Directory(
        Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload),
        Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload),
        Bucket(bus, subjects.DESIRED_BUCKET, SyncMarker),
    )
    tasks = Tasks()
    origin = OriginCheck(OriginRule.for_public_url(settings.public_url))

    def endpoint_of(route: Route) -> str:
        return settings.public_url + path_of(route.key.name, public_path(route.run_config))

    chains = _gate_chains(settings, origin, metrics, endpoint_of)
    directory.tell(lambda _changes, table: chains.keep_only(table))
    directory.tell(lambda _changes, table: metrics.keep_only(frozenset(table)))
    return Parts(
        bus=bus,
        directory=directory,
        sessions=sessions,
        inboxes=inboxes,
        tool_headers=ToolHeaders(sessions, time.monotonic),
        forwarding=Forwarding(http, teller, metrics),
        teller=teller,
        keeper=RouteKeeper(bus, directory, ports, teller, http),
        chains=chains,
        origin=origin,
        runner=GateRunner(tasks),
        tasks=tasks,
        metrics=metrics,
        endpoint_of=endpoint_of,
    )


def _ports(
    settings: Settings,
    bus: Bus,
    http: UpstreamHttp,
    teller: EventTeller,
    inboxes: Inboxes,
    metrics: Metrics,
    *,
    edge: str,
) -> Ports:
    limit, patience = settings.proxy_max_message, settings.proxy_request_timeout
    remote = RemoteHttp(http)

    def make_local(route: Route) -> LocalPort:
        counted = metrics.of(route.key.name)
        launcher = LinkLauncher(
            remote if route.remote else http,
            route,
            forwarded_headers(route),
            max_message=limit,
            patience=patience,
            count_failure=counted.count_upstream_failure,
        )
        ttl = route.run_config.session_ttl
        policy = Policy(
            per_session=True,
            has_main=False,
            modern=False,
            ttl=parse_duration(ttl) if ttl else settings.proxy_session_ttl,
            max_sessions=settings.proxy_max_sessions,
            max_processes=settings.proxy_max_sessions,
        )
        return LocalPort(route, policy, launcher, inboxes, teller, edge=edge, max_message=limit, metrics=counted)

    def undeliverable(stream: int, text: str) -> None:
        inboxes.fail(stream, RefusalCode.SERVER_UNAVAILABLE, text)

    stdio = StdioPorts(bus, edge, max_message=limit, take=inboxes.deliver, on_undeliverable=undeliverable)
    return Ports(stdio, inboxes, make_local)


def _gate_chains(
    settings: Settings, origin: OriginCheck, metrics: Metrics, endpoint_of: Callable[[Route], str]
) -> GateChains:
    def check_origin(_route: Route, part: Part) -> Gate:
        return origin.gate(part.allowed_origins if isinstance(part, OriginPart) else ())

    gates = WorkloadGates(
        GateSettings(time.time, _local_user(), settings.oidc_client_secret.get_secret_value()),
        {PartName.ORIGIN: check_origin, PartName.PARSER: lambda _route, _part: parse_body},
        endpoint_of=endpoint_of,
        count_of=lambda route: metrics.of(route.key.name).count_token,
    )
    return GateChains(gates.of)


def _local_user() -> str:
    """Name the system's user, whom everybody is where no authentication is configured."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has often no name
        return "local"
