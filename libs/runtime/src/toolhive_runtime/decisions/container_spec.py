"""From a RunConfig to the container that an engine shall make."""

from collections.abc import Mapping

from toolhive_common.automatic import HOST_VARIABLE, automatic_variables, own_labels
from toolhive_common.schemas.permissions import PermissionProfile
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_runtime.decisions.mounts import plan_mounts
from toolhive_runtime.decisions.published_ports import parse_publish
from toolhive_runtime.errors import UnsupportedSettingError
from toolhive_runtime.runtime import ContainerSpec, NetworkSpec

__all__ = ["EXTERNAL_NETWORK", "container_spec", "plan_network"]

EXTERNAL_NETWORK = "toolhive-external"
"""The network of all containers that are not isolated. Shared with ToolHive on the same machine."""
_BRIDGE = frozenset({"", "bridge"})


def container_spec(
    run_config: RunConfig,
    profile: PermissionProfile,
    *,
    image: str,
    owner_labels: Mapping[str, str],
    restart_policy: str,
    base_folder: str = "",
    external_network: str = EXTERNAL_NETWORK,
) -> ContainerSpec:
    """Decide what container a workload gets.

    Parameters
    ----------
    image
        What its image was resolved to.
    owner_labels
        Labels that say who looks after it, in addition to ToolHive's.
    restart_policy
        ``no`` where an agent restarts it, ``unless-stopped`` where the engine shall.
    base_folder
        Where relative paths of mounts start; empty = they are refused.
    external_network
        The network of containers that are not isolated.

    Raises
    ------
    InvalidMountError, InvalidPortError
        A mount or a published port breaks its grammar.
    UnsupportedSettingError
        A network that cannot be made yet.
    """
    network = plan_network(run_config, profile, external_network=external_network)
    return ContainerSpec(
        name=run_config.container_name or run_config.name,
        image=image,
        command=run_config.cmd_args,
        environment=_environment(run_config, network),
        labels=_labels(run_config, owner_labels, isolated=network.internal),
        mounts=plan_mounts(profile, run_config.volumes, base_folder=base_folder).mounts,
        network=network,
        ports=tuple(parse_publish(text) for text in run_config.publish),
        stdin_open=run_config.transport is Transport.STDIO,
        privileged=profile.privileged,
        restart_policy=restart_policy,
    )


def plan_network(
    run_config: RunConfig, profile: PermissionProfile, *, external_network: str = EXTERNAL_NETWORK
) -> NetworkSpec:
    """Decide what network a workload's container joins.

    A limit that cannot be kept is refused rather than dropped: the user would believe in it.
    """
    mode = profile.network.mode if profile.network else ""
    if mode not in _BRIDGE:
        return NetworkSpec(name=mode, mode=mode)
    if not run_config.isolate_network or profile.allows_all_outbound:
        return NetworkSpec(name=external_network)
    if profile.has_outbound_list:
        raise UnsupportedSettingError(
            "permission_profile.network.outbound.allow_host/allow_port with network isolation",
            "it needs an egress proxy; allow all ('insecure_allow_all') or nothing, or turn isolation off",
        )
    if run_config.transport is not Transport.STDIO:
        raise UnsupportedSettingError(
            f"network isolation without outbound access for the transport {run_config.transport}",
            "it needs an ingress proxy; use the profile 'network', or turn isolation off",
        )
    return NetworkSpec(name=f"toolhive-{run_config.container_name or run_config.name}-internal", internal=True)


def _environment(run_config: RunConfig, network: NetworkSpec) -> dict[str, str]:
    environment = {**run_config.env_vars, **automatic_variables(run_config.transport, run_config.target_port)}
    if run_config.transport is Transport.STDIO:
        return environment
    # The proxy reaches the server over the container's network, where 127.0.0.1 would be the server's own: it has to
    # listen on all addresses. Only with the host's network is there one loopback for both, and all addresses would
    # be those of the machine.
    host = (run_config.target_host or "127.0.0.1") if network.mode == "host" else "0.0.0.0"  # noqa: S104 - inside
    return {**environment, HOST_VARIABLE: host}


def _labels(run_config: RunConfig, owner_labels: Mapping[str, str], *, isolated: bool) -> dict[str, str]:
    name = run_config.container_name or run_config.name
    return {
        **run_config.container_labels,
        **own_labels(
            name=name,
            base_name=run_config.base_name or name,
            transport=run_config.transport,
            port=run_config.port,
        ),
        "toolhive-network-isolation": "true" if isolated else "false",
        **owner_labels,
    }
