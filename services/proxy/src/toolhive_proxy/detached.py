"""A proxy of one workload, without NATS: it holds the container's streams itself.

    python -m toolhive_proxy.detached --run-config FILE --container NAME

It serves ``/mcp``, ``/sse`` and ``/messages`` at the root, on the host and port of the RunConfig. It starts its
container when that ends, and ends itself when that is removed.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from toolhive_common.errors import ToolHiveError
from toolhive_common.given import unknown_keys
from toolhive_common.middleware.parts import InvalidMiddlewareError, UnsupportedPartsError
from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.observability.logs import configure_logging
from toolhive_common.problems import problem_of
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy import factory
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.routing_table import container_target
from toolhive_proxy.errors import RUN_CONFIG_FILE, ContainerGoneError, RunConfigError
from toolhive_proxy.main import listening, run
from toolhive_proxy.models.routes import Origin, Route
from toolhive_proxy.services.attached_server import AttachedServer
from toolhive_proxy.services.event_journal import EventJournal
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_proxy.services.watched_server import WatchedServer
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.docker.detection import detect_runtime
from toolhive_runtime.runtime import ContainerStatus, Runtime

__all__ = ["main", "read_run_config", "serve_detached"]


async def serve_detached(
    settings: Settings, run_config: RunConfig, runtime: Runtime, container_id: str, stop: asyncio.Event
) -> None:
    """Serve one workload until ``stop`` is set or its container is gone.

    Raises
    ------
    ToolHiveError
        The engine refuses, the address cannot be had, or the container is gone.
    """
    status = await runtime.info(container_id)
    if status is None:
        raise ContainerGoneError(run_config.name, container_id)
    directory = SingleDirectory(_route(run_config, status))
    server = _attached(runtime, run_config, status, limit=settings.proxy_max_message)
    parts = factory.build_detached(settings, directory, EventJournal(), server)

    def keep() -> Coroutine[Any, Any, None]:
        if run_config.transport is Transport.STDIO:
            return server.run(parts.ports.local(directory.route).host, directory)
        name, port = run_config.name, run_config.target_port
        return WatchedServer(runtime, status.container_id, name=name, port=port, clock=time.monotonic).run(directory)

    try:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(parts.teller.run())]
            try:
                # The address first: who cannot have it leaves the container alone, which may be another proxy's.
                async with listening(settings, parts, single=run_config.name):
                    working.append(tasks.create_task(keep()))
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


def _route(run_config: RunConfig, status: ContainerStatus) -> Route:
    """Where the server is; of one that speaks HTTP this is looked up again whenever it was started."""
    stdio = run_config.transport is Transport.STDIO
    origin = None if stdio else Origin(status.address, run_config.target_port)
    key, target = WorkloadKey.default(run_config.name), container_target(run_config.transport)
    return Route(key, 0, run_config.transport, run_config, origin, target)


def _attached(runtime: Runtime, run_config: RunConfig, status: ContainerStatus, *, limit: int) -> AttachedServer:
    profile = run_config.permission_profile or BUILTIN_PROFILES["none"]
    spec = container_spec(run_config, profile, image=status.image, owner_labels={}, restart_policy="no")
    return AttachedServer(runtime, spec, status.container_id, name=run_config.name, limit=limit, clock=time.monotonic)


def read_run_config(path: Path) -> RunConfig:
    """Read the file that says what is served.

    Raises
    ------
    RunConfigError
        It is not there, is no RunConfig, contradicts itself, or does not say where to listen.
    """
    try:
        content = path.read_bytes()
        if unknown := unknown_keys(RunConfig, _json(content)):
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
        pass  # the workload is shut, and tells its callers why
    if not run_config.port:
        raise RunConfigError(path, "its port is 0, and clients could not know which one the proxy took; set one")
    return run_config


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None  # the schema says what is wrong with it


def _settings(run_config: RunConfig) -> Settings:
    host, port = run_config.host, run_config.port
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    told: dict[str, Any] = {"host": host, "port": port, "proxy_public_url": url}
    if "TOOLHIVE_PROXY_METRICS_PORT" not in os.environ:
        told["proxy_metrics_port"] = 0  # there is one such process for each workload, and one default port
    return Settings(**told)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="toolhive_proxy.detached", description="Serve one workload.")
    parser.add_argument("--run-config", type=Path, required=True, help=RUN_CONFIG_FILE)
    parser.add_argument("--container", required=True, help="id or name of the workload's container")
    told = parser.parse_args()

    async def serve(stop: asyncio.Event) -> None:
        run_config = read_run_config(told.run_config)
        settings = _settings(run_config)
        configure_logging("proxy", level=settings.log_level)
        runtime = await detect_runtime(os.environ)
        try:
            await serve_detached(settings, run_config, runtime, told.container, stop)
        finally:
            await runtime.close()

    run(serve)


if __name__ == "__main__":
    main()
