"""Builds the proxy's parts from its settings, and joins them."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, BusSettings
from toolhive_common.messaging.events import EventLog
from toolhive_common.origin import OriginRule
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, SyncMarker
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.adapters.upstream_stdio import StdioLinks
from toolhive_proxy.config import Settings
from toolhive_proxy.middleware.body_limit import body_limit
from toolhive_proxy.middleware.chain import Part, build_chain
from toolhive_proxy.middleware.correlation import correlation
from toolhive_proxy.middleware.origin import origin_check
from toolhive_proxy.middleware.recovery import recovery
from toolhive_proxy.models.asgi import App
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import UpstreamLimits
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.links import Links
from toolhive_proxy.services.message_stream import StreamLimits
from toolhive_proxy.services.route_keeper import RouteKeeper
from toolhive_proxy.services.session_calls import SessionCalls
from toolhive_proxy.services.session_store import SessionStore

__all__ = ["Parts", "build", "bus_settings", "guard"]


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Parts:
    """The services of a running proxy."""

    bus: Bus
    directory: Directory
    calls: SessionCalls
    forwarding: Forwarding
    teller: EventTeller
    keeper: RouteKeeper
    stopping: asyncio.Event
    """Set when the proxy stops."""
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
    return Parts(
        bus=bus,
        directory=directory,
        calls=SessionCalls(store, patience=patience),
        forwarding=Forwarding(http, teller),
        teller=teller,
        keeper=RouteKeeper(bus, directory, store, teller, http),
        stopping=asyncio.Event(),
    )


def guard(app: App, settings: Settings, directory: Directory) -> App:
    """Put the middleware in front of the workloads' endpoints."""
    rule = OriginRule.for_public_url(settings.public_url)

    def origins_of(path: str) -> tuple[str, ...]:
        found = directory.find(path.split("/")[1])
        return found.run_config.allowed_origins if isinstance(found, Route) else ()

    return build_chain(
        app,
        {
            Part.CORRELATION: correlation,
            Part.RECOVERY: recovery,
            Part.BODY_LIMIT: partial(body_limit, limit=settings.proxy_max_body),
            Part.ORIGIN: partial(origin_check, rule=rule, origins_of=origins_of),
        },
    )
