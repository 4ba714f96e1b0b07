"""A proxy of one workload, without NATS: it holds the container's streams itself.

    python -m toolhive_proxy.detached --run-config FILE --container NAME

It serves ``/mcp``, ``/sse`` and ``/messages`` at the root, on the host and port of the RunConfig, and ends with its
container.
"""

import argparse
import asyncio
import os
from contextlib import suppress
from pathlib import Path

from toolhive_common.observability.logs import configure_logging
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy import factory
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.routing_table import container_target
from toolhive_proxy.errors import LinkBrokenError
from toolhive_proxy.main import listening, run
from toolhive_proxy.models.routes import Origin, Route
from toolhive_proxy.services.attached_server import AttachedServer
from toolhive_proxy.services.event_journal import EventJournal
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.docker.detection import detect_runtime
from toolhive_runtime.runtime import ContainerStatus, Runtime

__all__ = ["main", "serve_detached"]


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
        raise LinkBrokenError(f"there is no container {container_id!r}; run the workload again")
    route = Route(
        WorkloadKey.default(run_config.name),
        0,
        run_config.transport,
        run_config,
        _origin(run_config, status),
        container_target(run_config.transport),
    )
    directory = SingleDirectory(route)
    server = _attached(runtime, run_config, status, limit=settings.proxy_max_message)
    parts = factory.build_detached(settings, directory, EventJournal(), server)
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(parts.teller.run())]
        async with listening(settings, parts, single=run_config.name):
            if route.origin is None:
                working.append(tasks.create_task(_hold(server, parts, directory)))
            else:
                directory.set_running(running=True)
            await _first(stop, working)
        await parts.ports.goodbye()
        for task in working:
            task.cancel()


async def _hold(server: AttachedServer, parts: factory.Parts, directory: SingleDirectory) -> None:
    async def running() -> None:
        directory.set_running(running=True)

    host = parts.ports.local(directory.route).host
    await server.run(host, on_running=running)


async def _first(stop: asyncio.Event, working: list[asyncio.Task[None]]) -> None:
    """Wait until somebody says to stop, or one of the tasks ends."""
    waiting = asyncio.get_running_loop().create_task(stop.wait())
    try:
        await asyncio.wait([waiting, *working], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


def _origin(run_config: RunConfig, status: ContainerStatus) -> Origin | None:
    if run_config.transport is Transport.STDIO:
        return None
    return Origin(status.address, run_config.target_port)


def _attached(runtime: Runtime, run_config: RunConfig, status: ContainerStatus, *, limit: int) -> AttachedServer:
    profile = run_config.permission_profile or BUILTIN_PROFILES["none"]
    spec = container_spec(run_config, profile, image=status.image, owner_labels={}, restart_policy="no")
    return AttachedServer(runtime, spec, status.container_id, name=run_config.name, limit=limit)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="toolhive_proxy.detached", description="Serve one workload.")
    parser.add_argument("--run-config", type=Path, required=True, help="RunConfig file, such as `thv export` writes")
    parser.add_argument("--container", required=True, help="id or name of the workload's container")
    told = parser.parse_args()
    run_config = RunConfig.model_validate_json(told.run_config.read_bytes())
    url = f"http://{run_config.host}:{run_config.port}"
    settings = Settings(host=run_config.host, port=run_config.port, proxy_public_url=url)
    configure_logging("proxy", level=settings.log_level)

    async def serve(stop: asyncio.Event) -> None:
        runtime = await detect_runtime(os.environ)
        try:
            await serve_detached(settings, run_config, runtime, told.container, stop)
        finally:
            await runtime.close()

    run(serve)


if __name__ == "__main__":
    main()
