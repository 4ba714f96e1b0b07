"""A proxy of one workload in a pod of a cluster: it declares the server's pods, and serves them.

    python -m toolhive_proxy.proxyrunner run [--k8s-pod-patch JSON] [--debug] IMAGE

What it serves stands in the RunConfig at ``/etc/runconfig/runconfig.json``, ``/etc/toolhive/runconfig.json`` or
``./runconfig.json``, whichever is first. It serves ``/mcp``, ``/sse`` and ``/messages`` at the root. It keeps nothing
but in the cluster, and leaves the server running when it ends.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.observability.logs import configure_logging
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.cluster_run import effective_run_config, parse_env_file, refuse_unsupported
from toolhive_proxy.errors import EnvFilesError, NoRunConfigError
from toolhive_proxy.main import run
from toolhive_proxy.services.pods import Pods
from toolhive_proxy.services.watched_server import Looks
from toolhive_proxy.single import Place, read_run_config, serve_single, settings_for
from toolhive_runtime.decisions.pod_patch import parse_pod_patch
from toolhive_runtime.decisions.stateful_set import object_name, stateful_set
from toolhive_runtime.kubernetes import Cluster, open_access

__all__ = ["main", "serve_pods"]

_log = structlog.get_logger(__name__)
_RUN_CONFIGS = (
    Path("/etc/runconfig/runconfig.json"),
    Path("/etc/toolhive/runconfig.json"),
    Path("runconfig.json"),
)
_GENERATION = "THV_MCPSERVER_GENERATION"
_OPENSHIFT = "OPERATOR_OPENSHIFT"
_LOOKS = Looks(listening=5.0, starting=1.0)
"""Each look is a call to a cluster that many proxies share."""


async def serve_pods(settings: Settings, run_config: RunConfig, cluster: Cluster, stop: asyncio.Event) -> None:
    """Declare a workload's pods, and serve them until ``stop`` is set.

    Raises
    ------
    ToolHiveError
        The cluster refuses, a setting cannot be kept there, or the address cannot be had.
    """
    refuse_unsupported(run_config)
    plan_middleware(run_config)  # what must not run without its lock does not run at all
    patch = parse_pod_patch(run_config.k8s_pod_template_patch)
    openshift = bool(os.environ.get(_OPENSHIFT)) or await cluster.is_openshift()
    wanted = stateful_set(run_config, patch, openshift=openshift)
    pods = Pods(cluster, run_config, wanted, clock=time.monotonic)
    place = Place(pods, pods.host, _LOOKS, pods.shook, pods.keep_notes, supervised=True)
    await serve_single(settings, run_config, place, stop)


def find_run_config(places: Sequence[Path] = _RUN_CONFIGS) -> Path:
    """Find the file that says what is served.

    Raises
    ------
    NoRunConfigError
        None of the places has one.
    """
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise NoRunConfigError([str(place) for place in places])
    return found


def with_env_files(run_config: RunConfig) -> RunConfig:
    """Add the variables of the files in ``env_file_dir``, as a secret store's agent writes them into a pod.

    Raises
    ------
    EnvFilesError
        The folder or a file of it cannot be read.
    """
    if not run_config.env_file_dir:
        return run_config
    found = dict(run_config.env_vars)
    try:
        for file in sorted(Path(run_config.env_file_dir).iterdir()):
            if file.is_file():
                found |= parse_env_file(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFilesError(run_config.env_file_dir, str(error)) from error
    return run_config.model_copy(update={"env_vars": found})


def _settings(run_config: RunConfig, namespace: str) -> Settings:
    told = {}
    if "TOOLHIVE_PROXY_PUBLIC_URL" not in os.environ:
        host = f"mcp-{object_name(run_config)}-proxy.{namespace}.svc.cluster.local"
        told["proxy_public_url"] = f"http://{host}:{run_config.port}"
    if run_config.debug:
        told["log_level"] = "DEBUG"
    return settings_for(run_config, **told)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="toolhive_proxy.proxyrunner", description="Serve one workload of a cluster."
    )
    command = parser.add_subparsers(dest="command", required=True).add_parser("run", help="declare it and serve it")
    command.add_argument("--k8s-pod-patch", default="", help="pod template of the server, as JSON")
    command.add_argument("--debug", action="store_true", help="write more to the log")
    command.add_argument("image", help="image of the server")
    told, unknown = parser.parse_known_args()

    async def serve(stop: asyncio.Event) -> None:
        configure_logging("proxyrunner", level="DEBUG" if told.debug else "INFO")
        if unknown:  # ToolHive's proxyrunner tolerates them too
            _log.warning("arguments that mean nothing here are passed over", arguments=unknown)
        run_config = effective_run_config(
            with_env_files(read_run_config(find_run_config())),
            image=told.image,
            pod_patch=told.k8s_pod_patch,
            debug=told.debug,
            generation=os.environ.get(_GENERATION, ""),
        )
        cluster = Cluster(open_access(os.environ))
        try:
            settings = _settings(run_config, cluster.namespace)
            configure_logging("proxyrunner", level=settings.log_level)
            await serve_pods(settings, run_config, cluster, stop)
        finally:
            cluster.close()

    run(serve)


if __name__ == "__main__":
    main()
