"""Declared and observed state of a workload -> where its requests go, or why they go nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from toolhive_common.errors import ToolHiveError
from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.remote import InvalidRemoteUrlError, parse_remote_url
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import DesiredPhase, DesiredWorkload, ObservedPhase, ObservedWorkload
from toolhive_proxy.models.routes import Lookup, Origin, Route, Target, Unavailable, Unknown

__all__ = ["Came", "Change", "Reattached", "Went", "changes_between", "container_target", "lookup"]

_MCP_PATH, _SSE_PATH = "/mcp", "/sse"
"""Where servers in containers speak MCP."""
_SOON = 2
_LATER = 10
_BY_HAND = 30


def lookup(name: str, desired: DesiredWorkload | None, observed: ObservedWorkload | None) -> Lookup:
    """Decide where the requests of one workload go."""
    if desired is None or desired.phase is DesiredPhase.REMOVED:
        return Unknown(name)
    if desired.phase is DesiredPhase.STOPPED:
        return Unavailable(
            desired.key, f"the workload {name!r} is stopped; start it with `thv restart {name}`", _BY_HAND
        )
    if observed is None or observed.revision < desired.revision:
        return Unavailable(
            desired.key,
            f"the workload {name!r} waits for its agent {desired.agent!r}; try again in a moment, "
            "and if that does not help check that the runtime-agent runs",
            _SOON,
        )
    if observed.phase is not ObservedPhase.RUNNING:
        return _not_running(name, observed)
    return _running(name, desired, observed)


def _not_running(name: str, observed: ObservedWorkload) -> Unavailable:
    why = f": {observed.reason.rstrip('.')}" if observed.reason else ""
    match observed.phase:
        case ObservedPhase.PREPARING:
            text, pause = f"the image of the workload {name!r} is being prepared{why}; try again in a moment", _SOON
        case ObservedPhase.STARTING:
            text, pause = f"the workload {name!r} is being started{why}; try again in a moment", _SOON
        case ObservedPhase.UNHEALTHY:
            text, pause = f"the workload {name!r} died and is being started again{why}", _LATER
        case ObservedPhase.ERROR:
            text, pause = f"the workload {name!r} cannot run{why}; see `thv logs {name}`", _BY_HAND
        case _:
            text, pause = f"the workload {name!r} is {observed.phase}{why}; see `thv list --all`", _LATER
    return Unavailable(observed.key, text, pause)


def _running(name: str, desired: DesiredWorkload, observed: ObservedWorkload) -> Route | Unavailable:
    config = desired.run_config
    try:
        plan_middleware(config)
    except ToolHiveError as error:  # the API refuses it; what reaches us all the same must not run without its lock
        return Unavailable(observed.key, f"the workload {name!r} cannot be called: {error.message}", _BY_HAND)
    if config.remote_url:
        return _elsewhere(name, config, observed)
    match config.transport:
        case Transport.STDIO:
            return Route(observed.key, observed.revision, config.transport, config, attachment=observed.attachment)
        case Transport.SSE | Transport.STREAMABLE_HTTP:
            origin = _origin(observed.endpoint)
            if origin is None:
                return Unavailable(
                    observed.key,
                    f"the workload {name!r} runs, but its agent gave no usable address of it "
                    f"({observed.endpoint!r}); restart it with `thv restart {name}`",
                    _LATER,
                )
            target = container_target(config.transport)
            return Route(observed.key, observed.revision, config.transport, config, origin=origin, target=target)
        case _:
            return Unavailable(
                observed.key,
                f"the workload {name!r} has the transport {config.transport!s}, which this proxy does not serve",
                _BY_HAND,
            )


def container_target(transport: Transport) -> Target:
    """Say where a server in a container speaks MCP."""
    return Target({Transport.SSE: _SSE_PATH, Transport.STREAMABLE_HTTP: _MCP_PATH}.get(transport, ""))


def _elsewhere(name: str, config: RunConfig, observed: ObservedWorkload) -> Route | Unavailable:
    """Route to a server that runs elsewhere. Its address is what the user declared: no agent can change it."""
    if config.transport not in {Transport.SSE, Transport.STREAMABLE_HTTP}:
        return Unavailable(
            observed.key,
            f"the remote workload {name!r} has the transport {config.transport!s}; remove it, and run it again with "
            "sse or streamable-http",
            _BY_HAND,
        )
    try:
        address = parse_remote_url(config.remote_url)
    except InvalidRemoteUrlError as error:
        return Unavailable(observed.key, f"the remote workload {name!r} cannot be reached: {error.message}", _BY_HAND)
    path = address.path or (_SSE_PATH if config.transport is Transport.SSE else "")
    return Route(
        observed.key,
        observed.revision,
        config.transport,
        config,
        origin=Origin(address.host, address.port, address.scheme),
        target=Target(path, address.query),
    )


def _origin(endpoint: str) -> Origin | None:
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or not parts.hostname:
        return None
    return Origin(parts.hostname, port if port is not None else 80)


@dataclass(frozen=True)
class Came:
    """A workload can be called now."""

    route: Route


@dataclass(frozen=True)
class Went:
    """A workload cannot be called any more, or not as it was."""

    route: Route
    reason: str


@dataclass(frozen=True)
class Reattached:
    """The agent holds the server anew: what was asked through its earlier hold gets no answer."""

    route: Route


Change = Came | Went | Reattached


def changes_between(before: Mapping[str, Lookup], after: Mapping[str, Lookup]) -> list[Change]:
    """Say what has to be told and ended. Nothing changes between a table and itself."""
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        changes += _changes_of(before.get(name, Unknown(name)), after.get(name, Unknown(name)))
    return changes


def _changes_of(old: Lookup, new: Lookup) -> list[Change]:
    match old, new:
        case Route(), Route() if old.revision == new.revision and old.origin == new.origin:
            return [Reattached(new)] if old.attachment != new.attachment else []
        case Route(), Route():
            return [Went(old, f"the workload {old.key.name!r} was started anew"), Came(new)]
        case Route(), Unavailable():
            return [Went(old, new.reason)]
        case Route(), Unknown():
            return [Went(old, f"the workload {old.key.name!r} was removed")]
        case _, Route():
            return [Came(new)]
        case _:
            return []
