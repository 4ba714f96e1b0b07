"""Builds the proxy's parts from its settings, and joins them."""

import getpass
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
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
from toolhive_common.schemas.runconfig import StdioProcess
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, SyncMarker
from toolhive_proxy.adapters.own_links import read_links
from toolhive_proxy.adapters.stdio_port import StdioPorts
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.places import path_of
from toolhive_proxy.decisions.session_keys import seal_key
from toolhive_proxy.middleware.chain import GateChains
from toolhive_proxy.middleware.origin import OriginCheck
from toolhive_proxy.middleware.parser import parse_body
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.middleware.workload_gates import GateSettings, WorkloadGates, forwarded_headers
from toolhive_proxy.models.gates import Gate
from toolhive_proxy.models.routes import Route, Workloads
from toolhive_proxy.models.upstream import UpstreamLimits
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.doorkeeper import Doorkeeper
from toolhive_proxy.services.event_teller import EventSink, EventTeller
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.inbox import Inboxes, InboxLimits
from toolhive_proxy.services.link_launcher import LinkLauncher
from toolhive_proxy.services.local_port import LocalPort
from toolhive_proxy.services.metrics import Metrics
from toolhive_proxy.services.ports import Ports
from toolhive_proxy.services.remote_http import RemoteHttp
from toolhive_proxy.services.route_keeper import RouteKeeper
from toolhive_proxy.services.sessions import Sessions
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_proxy.services.tasks import Tasks
from toolhive_proxy.services.tool_headers import ToolHeaders
from toolhive_sessions.effects import Handshake
from toolhive_sessions.host import Launcher
from toolhive_sessions.records import Policy

__all__ = ["Parts", "Single", "build", "build_single", "bus_settings", "correlation_ids", "new_id"]


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


Check = Callable[[], Awaitable[str]]
"""Health check: empty, or what is wrong."""


@dataclass(frozen=True)
class Parts:
    """What serves requests."""

    directory: Workloads
    sessions: Sessions
    ports: Ports
    inboxes: Inboxes
    tool_headers: ToolHeaders
    forwarding: Forwarding
    teller: EventTeller
    chains: GateChains
    origin: OriginCheck
    runner: GateRunner
    tasks: Tasks
    metrics: Metrics
    doorkeeper: Doorkeeper
    endpoint_of: Callable[[Route], str]
    """URL that a workload's clients are told."""
    http: UpstreamHttp
    checks: Mapping[str, Check]
    """What has to be well for the process to be ready."""
    now: Callable[[], datetime] = _now
    supervised: bool = False
    """Whether somebody restarts this process when a workload's health check fails, which would not help it."""


def bus_settings(settings: Settings) -> BusSettings:
    """How the proxy reaches NATS."""
    return BusSettings(
        url=settings.nats_url,
        role=Role.PROXY,
        password=settings.nats_password.get_secret_value(),
        name="toolhive-proxy",
        ca_file=settings.nats_ca_file,
    )


def build(settings: Settings, bus: Bus) -> tuple[Parts, RouteKeeper]:
    """Make all services over one connection to NATS."""
    edge = new_id()[:12]
    base = _base(settings, EventLog(bus), edge)

    def undeliverable(stream: int, text: str) -> None:
        base.inboxes.fail(stream, RefusalCode.SERVER_UNAVAILABLE, text)

    stdio = StdioPorts(
        bus, edge, max_message=settings.proxy_max_message, take=base.inboxes.deliver, on_undeliverable=undeliverable
    )
    directory = Directory(
        Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload),
        Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload),
        Bucket(bus, subjects.DESIRED_BUCKET, SyncMarker),
    )
    ports = Ports(stdio, base.inboxes, lambda route: _connected(settings, base, route), directory.find)

    def endpoint_of(route: Route) -> str:
        return settings.public_url + path_of(route.key.name, public_path(route.run_config))

    checks: Mapping[str, Check] = {"nats": bus.check, "workloads": directory.check}
    parts = _parts(settings, base, ports, directory, endpoint_of, checks)
    directory.tell(lambda _changes, table: parts.chains.keep_only(table))
    directory.tell(lambda _changes, table: base.metrics.keep_only(frozenset(table)))
    return parts, RouteKeeper(bus, directory, ports, base.teller, base.http)


@dataclass(frozen=True)
class Single:
    """What a proxy of one workload, without NATS, has that others have not."""

    directory: SingleDirectory
    sink: EventSink
    launcher: Launcher
    """Starts further processes of a stdio server."""
    shook: Callable[[Handshake], None] | None = None
    """Takes what the first process of a stdio server is known for, where that shall outlive the proxy."""
    supervised: bool = False
    """As `Parts.supervised`; then the process is ready when its workload can be called."""


def build_single(settings: Settings, single: Single) -> Parts:
    """Make all services for one workload, without NATS."""
    directory = single.directory
    base = _base(settings, single.sink, new_id()[:12])

    def make_local(route: Route) -> LocalPort:
        if route.origin is not None:
            return _connected(settings, base, route)
        config = route.run_config
        policy = Policy(
            per_session=config.stdio_process is StdioProcess.PER_SESSION,
            ttl=_ttl(settings, route),
            max_sessions=settings.proxy_max_sessions,
        )
        port = _local(settings, base, route, policy, single.launcher)
        port.on_shook = single.shook
        return port

    ports = Ports(None, base.inboxes, make_local, directory.find)
    checks: Mapping[str, Check] = {"workload": directory.check} if single.supervised else {}

    def endpoint_of(route: Route) -> str:
        return settings.public_url + public_path(route.run_config)

    parts = _parts(settings, base, ports, directory, endpoint_of, checks)
    return replace(parts, supervised=single.supervised)


@dataclass(frozen=True)
class _Base:
    """What each way of serving needs."""

    http: UpstreamHttp
    metrics: Metrics
    teller: EventTeller
    inboxes: Inboxes
    edge: str


def _base(settings: Settings, sink: EventSink, edge: str) -> _Base:
    limits = replace(UpstreamLimits(), answer_timeout=settings.proxy_request_timeout)
    return _Base(
        UpstreamHttp(limits, ca_bundle=settings.ca_certificates),
        Metrics(),
        EventTeller(sink, proxy=edge, url=settings.public_url, now=_now, new_id=new_id),
        Inboxes(InboxLimits(patience=settings.proxy_slow_client)),
        edge,
    )


def _parts(
    settings: Settings,
    base: _Base,
    ports: Ports,
    directory: Workloads,
    endpoint_of: Callable[[Route], str],
    checks: Mapping[str, Check],
) -> Parts:
    sessions = Sessions(ports, base.inboxes)
    tasks = Tasks()
    origin = OriginCheck(OriginRule.for_public_url(settings.public_url))
    return Parts(
        directory=directory,
        sessions=sessions,
        ports=ports,
        inboxes=base.inboxes,
        tool_headers=ToolHeaders(sessions, time.monotonic),
        forwarding=Forwarding(base.http, base.teller, base.metrics),
        teller=base.teller,
        chains=_gate_chains(settings, origin, base.metrics, endpoint_of),
        origin=origin,
        runner=GateRunner(tasks),
        tasks=tasks,
        metrics=base.metrics,
        doorkeeper=Doorkeeper(settings.neighbours, read_links),
        endpoint_of=endpoint_of,
        http=base.http,
        checks=checks,
    )


def _connected(settings: Settings, base: _Base, route: Route) -> LocalPort:
    """Keep the sessions of a server that speaks HTTP: each has a connection of its own."""
    launcher = LinkLauncher(
        RemoteHttp(base.http) if route.remote else base.http,
        route,
        forwarded_headers(route),
        max_message=settings.proxy_max_message,
        patience=settings.proxy_request_timeout,
        count_failure=base.metrics.of(route.key.name).count_upstream_failure,
    )
    policy = Policy(
        per_session=True,
        has_main=False,
        modern=False,
        ttl=_ttl(settings, route),
        max_sessions=settings.proxy_max_sessions,
        max_processes=settings.proxy_max_sessions,
    )
    return _local(settings, base, route, policy, launcher)


def _local(settings: Settings, base: _Base, route: Route, policy: Policy, launcher: Launcher) -> LocalPort:
    return LocalPort(
        route,
        policy,
        launcher,
        base.inboxes,
        base.teller,
        edge=base.edge,
        max_message=settings.proxy_max_message,
        metrics=base.metrics.of(route.key.name),
    )


def _ttl(settings: Settings, route: Route) -> float:
    told = route.run_config.session_ttl
    return parse_duration(told) if told else settings.proxy_session_ttl


def _gate_chains(
    settings: Settings, origin: OriginCheck, metrics: Metrics, endpoint_of: Callable[[Route], str]
) -> GateChains:
    def check_origin(_route: Route, part: Part) -> Gate:
        return origin.gate(part.allowed_origins if isinstance(part, OriginPart) else ())

    gates = WorkloadGates(
        GateSettings(
            time.time,
            _local_user(),
            cache(partial(_seal_key, settings)),
            settings.oidc_client_secret.get_secret_value(),
        ),
        {PartName.ORIGIN: check_origin, PartName.PARSER: lambda _route, _part: parse_body},
        endpoint_of=endpoint_of,
        count_of=lambda route: metrics.of(route.key.name).count_token,
    )
    return GateChains(gates.of)


def _seal_key(settings: Settings) -> bytes:
    """Make the key of seals: the same in all proxies that share NATS, and one of its own for a proxy without."""
    password = settings.nats_password.get_secret_value()
    return seal_key(password) if password else secrets.token_bytes(32)


def _local_user() -> str:
    """Name the system's user, whom everybody is where no authentication is configured."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has often no name
        return "local"
