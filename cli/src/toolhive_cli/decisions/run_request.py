"""What ``thv run`` asks the API for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolhive_cli.errors import InvalidFlagError, UnsupportedFlagError
from toolhive_common.names import PACKAGE_SCHEMES, check_workload_name, default_workload_name
from toolhive_common.schemas.permissions import BUILTIN_PROFILES, NetworkPermissions, PermissionProfile
from toolhive_common.schemas.runconfig import RuntimeConfig
from toolhive_common.schemas.workload import CreateRequest

__all__ = ["RunFlags", "is_bare_name", "plan_request"]


@dataclass(frozen=True)
class RunFlags:
    """The command line of ``thv run``, files read."""

    source: str
    """An image, or a ``uvx://``, ``npx://`` or ``go://`` package."""
    arguments: tuple[str, ...] = ()
    """What stood after ``--``."""
    name: str = ""
    group: str = ""
    transport: str = ""
    proxy_mode: str = ""
    host: str = ""
    proxy_port: int = 0
    target_port: int = 0
    profile: PermissionProfile | None = None
    network: str = ""
    """The engine's network mode."""
    isolate_network: bool | None = None
    """``None`` = not said."""
    allow_docker_gateway: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    publish: tuple[str, ...] = ()
    runtime_image: str = ""
    runtime_packages: tuple[str, ...] = ()
    build_with: tuple[str, ...] = ()


def plan_request(flags: RunFlags) -> CreateRequest:
    """Turn a command line into the request for the API.

    The transport stays empty when it is not given: the API's default (stdio for images and packages) is the one
    rule, wherever a workload comes from.

    Raises
    ------
    InvalidFlagError, UnsupportedFlagError, InvalidNameError
    """
    if flags.source.startswith(("http://", "https://")):
        raise UnsupportedFlagError(f"running the remote server {flags.source}", "it comes with a later one")
    if not flags.source.strip():
        raise InvalidFlagError(
            "IMAGE_OR_PROTOCOL", "it is empty; give an image or a package such as uvx://mcp-server-time"
        )
    name = flags.name or default_workload_name(flags.source)
    check_workload_name(name)
    return CreateRequest(
        name=name,
        image=flags.source,
        host=flags.host,
        proxy_port=flags.proxy_port,
        target_port=flags.target_port,
        transport=flags.transport,
        proxy_mode=flags.proxy_mode,
        cmd_arguments=flags.arguments,
        volumes=flags.volumes,
        env_vars=dict(flags.env),
        permission_profile=_profile(flags),
        network_isolation=flags.isolate_network,
        allow_docker_gateway=flags.allow_docker_gateway,
        group=flags.group,
        runtime_config=_runtime_config(flags),
        labels=dict(flags.labels),
        publish=flags.publish,
    )


def is_bare_name(source: str) -> bool:
    """Whether this may be meant as a name of ToolHive's registry rather than as an image."""
    return not source.startswith(PACKAGE_SCHEMES) and not any(mark in source for mark in ":@")


def _profile(flags: RunFlags) -> PermissionProfile | None:
    if not flags.network:
        return flags.profile
    profile = flags.profile or BUILTIN_PROFILES["network"]
    network = (profile.network or NetworkPermissions()).model_copy(update={"mode": flags.network})
    return profile.model_copy(update={"network": network})


def _runtime_config(flags: RunFlags) -> RuntimeConfig | None:
    given = {
        "--runtime-image": flags.runtime_image,
        "--runtime-add-package": flags.runtime_packages,
        "--build-with": flags.build_with,
    }
    used = [flag for flag, value in given.items() if value]
    if not used:
        return None
    if not flags.source.startswith(PACKAGE_SCHEMES):
        raise InvalidFlagError(used[0], "only packages are built; give a uvx://, npx:// or go:// package")
    if flags.build_with and not flags.source.startswith("uvx://"):
        raise InvalidFlagError("--build-with", "it adds Python requirements; use it with a uvx:// package")
    return RuntimeConfig(
        builder_image=flags.runtime_image, additional_packages=flags.runtime_packages, build_with=flags.build_with
    )
