"""What the proxies of one workload have in common, wherever they run: they serve it at the root, without NATS."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from toolhive_common.errors import ToolHiveError
from toolhive_common.given import unknown_keys
from toolhive_common.middleware.parts import InvalidMiddlewareError, UnsupportedPartsError
from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.problems import problem_of
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy import factory
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.routing_table import container_target
from toolhive_proxy.errors import RunConfigError
from toolhive_proxy.main import listening
from toolhive_proxy.models.routes import Origin, Route
from toolhive_proxy.services.attached_server import AttachedServer
from toolhive_proxy.services.backends import Backend
from toolhive_proxy.services.event_journal import EventJournal
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_proxy.services.watched_server import Looks, WatchedServer
from toolhive_sessions.effects import Handshake

__all__ = ["Place", "read_run_config", "serve_single", "settings_for"]


@dataclass(frozen=True)
class Place:
    """Where a workload's server runs, and how it is kept there."""

    backend: Backend
    host: str
    """Where a server that speaks HTTP is found at first."""
    looks: Looks = field(default_factory=Looks)
    """How often such a one is looked at."""
    shook: Callable[[Handshake], None] | None = None
    """Takes what a stdio server's first process is known for, where that shall outlive the proxy."""
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None
    """What else is done while the workload is served."""
    supervised: bool = False
    """See `factory.Parts.supervised`."""


async def serve_single(settings: Settings, run_config: RunConfig, place: Place, stop: asyncio.Event) -> None:
    """Serve one workload until ``stop`` is set or its server is gone for good.

    Raises
    ------
    ToolHiveError
        The server cannot be run, the address cannot be had, or the server is gone.
    """
    directory = SingleDirectory(_route(run_config, place))
    name, clock = run_config.name, time.monotonic
    server = AttachedServer(place.backend, name=name, limit=settings.proxy_max_message, clock=clock)
    single = factory.Single(directory, EventJournal(), server, place.shook, supervised=place.supervised)
    parts = factory.build_single(settings, single)

    def keep() -> Coroutine[Any, Any, None]:
        if run_config.transport is Transport.STDIO:
            return server.run(parts.ports.local(directory.route).host, directory)
        port, looks = run_config.target_port, place.looks
        return WatchedServer(place.backend, name=name, port=port, clock=clock, looks=looks).run(directory)

    try:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(parts.teller.run())]
            try:
                # The address first: who cannot have it leaves the server alone, which may be another proxy's.
                async with listening(settings, parts, single=name):
                    working.append(tasks.create_task(keep()))
                    if place.beside is not None:
                        working.append(tasks.create_task(place.beside()))
                    await stop.wait()
            finally:
                await parts.ports.goodbye()
            for task in working:
                task.cancel()
    except* ToolHiveError as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[ToolHiveError]) -> ToolHiveError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _route(run_config: RunConfig, place: Place) -> Route:
    """Where the server is; of one that speaks HTTP this is looked up again whenever it was started."""
    stdio = run_config.transport is Transport.STDIO
    origin = None if stdio else Origin(place.host, run_config.target_port)
    key, target = WorkloadKey.default(run_config.name), container_target(run_config.transport)
    return Route(key, 0, run_config.transport, run_config, origin, target)


def read_run_config(path: Path, *, by_hand: bool = False) -> RunConfig:
    """Read the file that says what is served.

    Parameters
    ----------
    by_hand
        Whether a user gives the file. A key that is not known is a misspelt one then, else one of a later version.

    Raises
    ------
    RunConfigError
        It is not there, is no RunConfig, contradicts itself, or does not say where to listen.
    """
    try:
        content = path.read_bytes()
        if by_hand and (unknown := unknown_keys(RunConfig, _json(content))):
            raise RunConfigError(path, unknown)
        run_config = RunConfig.from_json(content)
        plan_middleware(run_config)
    except OSError as error:
        raise RunConfigError(path, error.strerror or str(error)) from error
    except ValidationError as error:
        # The places and what is wrong there, never the values: they may be secrets.
        found = error.errors(include_url=False, include_input=False)
        places = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'} {problem_of(one)}" for one in found[:5])
        raise RunConfigError(path, places) from None
    except InvalidMiddlewareError as error:
        raise RunConfigError(path, error.message) from None
    except UnsupportedPartsError:
        pass  # who serves it refuses it, or shuts the workload and tells its callers why
    if not run_config.port:
        raise RunConfigError(path, "its port is 0, and clients could not know which one the proxy took; set one")
    return run_config


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None  # the schema says what is wrong with it


def settings_for(run_config: RunConfig, **told: Any) -> Settings:
    """Settings from the environment, but host and port from the RunConfig, and what is told besides."""
    return Settings(host=run_config.host, port=run_config.port, **told)
