"""A proxy of one workload, without NATS: it holds the container's streams itself.

    python -m toolhive_proxy.detached --run-config FILE --container NAME

It serves ``/mcp``, ``/sse`` and ``/messages`` at the root, on the host and port of the RunConfig. It starts its
container when that ends, and ends itself when that is removed.
"""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from toolhive_common.observability.logs import configure_logging
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_proxy.config import Settings
from toolhive_proxy.errors import RUN_CONFIG_FILE, ContainerGoneError
from toolhive_proxy.main import run
from toolhive_proxy.services.containers import Containers
from toolhive_proxy.single import Place, read_run_config, serve_single, settings_for
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.docker.detection import detect_runtime
from toolhive_runtime.runtime import Runtime

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
        raise ContainerGoneError(run_config.name, container_id)
    profile = run_config.permission_profile or BUILTIN_PROFILES["none"]
    spec = container_spec(run_config, profile, image=status.image, owner_labels={}, restart_policy="no")
    containers = Containers(runtime, spec, status.container_id, name=run_config.name)
    await serve_single(settings, run_config, Place(containers, status.address), stop)


def _settings(run_config: RunConfig) -> Settings:
    host, port = run_config.host, run_config.port
    told: dict[str, Any] = {"proxy_public_url": f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"}
    if "TOOLHIVE_PROXY_METRICS_PORT" not in os.environ:
        told["proxy_metrics_port"] = 0  # there is one such process for each workload, and one default port
    return settings_for(run_config, **told)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="toolhive_proxy.detached", description="Serve one workload.")
    parser.add_argument("--run-config", type=Path, required=True, help=RUN_CONFIG_FILE)
    parser.add_argument("--container", required=True, help="id or name of the workload's container")
    told = parser.parse_args()

    async def serve(stop: asyncio.Event) -> None:
        run_config = read_run_config(told.run_config, by_hand=True)
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
