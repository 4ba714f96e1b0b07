"""What a proxy in a cluster serves: its RunConfig, with what the command line and the pod say over it."""

from collections.abc import Iterator
from typing import Any

from toolhive_common.schemas.permissions import BUILTIN_PROFILES, PermissionProfile
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.unsupported import unsupported_parts
from toolhive_runtime.errors import UnsupportedSettingError

__all__ = ["effective_run_config", "parse_env_file", "refuse_unsupported"]

_ACTED_ON = frozenset({"k8s_pod_template_patch", "env_file_dir", "scaling_config", "target_host"})
"""Parts that nobody acts on elsewhere, and a cluster does."""
_BRIDGE = frozenset({"", "bridge"})
_ONE = frozenset({None, 0, 1})
_PACKAGES = ("uvx://", "npx://", "go://")


def effective_run_config(
    run_config: RunConfig, *, image: str, pod_patch: str, debug: bool, generation: str
) -> RunConfig:
    """Put what is told to the process over what its file says.

    Parameters
    ----------
    image, pod_patch
        Of the command line; an empty one leaves the file's.
    generation
        ``THV_MCPSERVER_GENERATION`` of the environment. What is no number leaves the file's.
    """
    changes: dict[str, Any] = {}
    if image:
        changes["image"] = image
    if pod_patch:
        changes["k8s_pod_template_patch"] = pod_patch
    if debug:
        changes["debug"] = True
    if generation.isascii() and generation.isdigit():
        changes["mcpserver_generation"] = int(generation)
    if run_config.permission_profile is None:
        changes["permission_profile"] = BUILTIN_PROFILES.get(run_config.permission_profile_name_or_path)
    return run_config.model_copy(update=changes)


def parse_env_file(text: str) -> dict[str, str]:
    """Read lines ``NAME=value``. Empty lines, comments (``#``) and lines without a name are passed over.

    Quotes around a whole value are not part of it.
    """
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if equals and name and not name.startswith("#"):
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[name] = value[1:-1] if quoted else value
    return found


def refuse_unsupported(run_config: RunConfig) -> None:
    """Refuse what would have no effect in a cluster: whoever sets a limit must not believe that it holds.

    Raises
    ------
    UnsupportedSettingError
        The first such setting, and what to do instead.
    """
    for setting, instead in _refused(run_config):
        raise UnsupportedSettingError(setting, instead)


def _refused(config: RunConfig) -> Iterator[tuple[str, str]]:
    if config.remote_url:
        yield "remote_url in a cluster", "the proxyrunner runs servers of its own cluster; run a remote one elsewhere"
        return
    if config.image.startswith(_PACKAGES):
        yield (
            f"the package {config.image[:200]!r} in a cluster",
            "nothing builds images there; build an image of it, and push it where the cluster pulls from",
        )
    if config.transport is Transport.INSPECTOR:
        yield f"the transport {config.transport}", "use stdio, sse or streamable-http"
    if config.transport is not Transport.STDIO and not config.target_port:
        yield f"the transport {config.transport} without target_port", "set it to the port that the server listens on"
    if config.publish:
        yield "publish in a cluster", f"make a Service for the port, with the selector app={config.name}"
    yield from _scaling(config)
    yield from _limits(config, config.permission_profile or PermissionProfile())
    for part in unsupported_parts(config):
        if part not in _ACTED_ON:
            yield part, "take it out of the RunConfig"


def _scaling(config: RunConfig) -> Iterator[tuple[str, str]]:
    scaling = config.scaling_config or {}
    if config.transport is Transport.STDIO and scaling.get("backend_replicas") not in _ONE:
        yield (
            "scaling_config.backend_replicas above 1 for a stdio server",
            "the proxy holds the streams of one process; set 1, or stdio_process 'per-session' for more of them",
        )
    for key in sorted(set(scaling) - {"backend_replicas"}):
        yield f"scaling_config.{key}", "sessions are kept in the proxy's memory; run one proxy, and take the key out"


def _limits(config: RunConfig, profile: PermissionProfile) -> Iterator[tuple[str, str]]:
    if config.isolate_network and not profile.allows_all_outbound:
        yield (
            "isolate_network in a cluster",
            f"write a NetworkPolicy that selects the pods app={config.name}, and take isolate_network out",
        )
    if profile.network is not None and profile.network.mode not in _BRIDGE:
        yield (
            f"permission_profile.network.mode {profile.network.mode!r} in a cluster",
            "say it in the pod template, such as hostNetwork, and take the mode out",
        )
    if profile.privileged:
        yield (
            "permission_profile.privileged in a cluster",
            "set securityContext.privileged of the container 'mcp' in the pod template",
        )
