"""Writing the engine's JSON for a container."""

from typing import Any

from toolhive_runtime.runtime import ContainerSpec

__all__ = ["container_request"]


def container_request(spec: ContainerSpec, *, init: bool) -> dict[str, Any]:
    """Write the body of the engine's ``POST /containers/create``.

    Parameters
    ----------
    init
        Whether the engine has an init process to put before the server. Without one the server is process 1, for
        which the kernel ignores SIGTERM unless it asked for it: every stop would last for the whole grace.
    """
    exposed: dict[str, dict[str, str]] = {f"{port.container_port}/tcp": {} for port in spec.ports}
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        # "0" lets the engine choose.
        bindings.setdefault(f"{port.container_port}/tcp", []).append(
            {"HostIp": port.host_address, "HostPort": str(port.host_port)}
        )
    return {
        "Image": spec.image,
        "Cmd": list(spec.command) or None,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "ExposedPorts": exposed,
        "AttachStdin": spec.stdin_open,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": spec.stdin_open,
        # Input stays open when an attachment goes, so that the next one finds the server alive.
        "StdinOnce": False,
        "Tty": False,
        "HostConfig": {
            "NetworkMode": spec.network.mode or spec.network.name,
            "PortBindings": bindings,
            # Mounts and not Binds: the engine then refuses a missing source instead of making a folder of it.
            "Mounts": [
                {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
                for mount in spec.mounts
            ],
            "Init": init,
            "Privileged": spec.privileged,
            "RestartPolicy": {"Name": spec.restart_policy},
            "CapDrop": list(spec.drop_capabilities),
            "SecurityOpt": list(spec.security_options),
        },
    }
