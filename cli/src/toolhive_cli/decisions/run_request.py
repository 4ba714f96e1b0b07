"""What ``thv run`` with flags asks the API for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolhive_cli.errors import InvalidFlagError
from toolhive_common.names import PACKAGE_SCHEMES, check_workload_name, default_workload_name
from toolhive_common.remote import parse_remote_url
from toolhive_common.schemas.permissions import BUILTIN_PROFILES, NetworkPermissions, PermissionProfile
from toolhive_common.schemas.runconfig import HeaderForward, RuntimeConfig, ToolOverride
from toolhive_common.schemas.workload import CreateRequest, OidcOptions

__all__ = ["RunFlags", "is_bare_name", "plan_request"]


@dataclass(frozen=True)
class RunFlags:
    """The command line of ``thv run``, files read."""

    source: str
    """An image, a ``uvx://``, ``npx://`` or ``go://`` package, or the URL of a remote server."""
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
    stdio_process: str = ""
    tools: tuple[str, ...] = ()
    tools_override: Mapping[str, ToolOverride] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to what the proxy sends on."""
    trust_proxy_headers: bool = False
    strict_protocol_validation: bool = False
    stateless: bool = False
    session_ttl: str = ""
    endpoint_prefix: str = ""
    allowed_origins: tuple[str, ...] = ()
    oidc: OidcOptions | None = None


def plan_request(flags: RunFlags) -> CreateRequest:
    """Turn a command line into the request for the API.

    The transport stays empty when it is not given: the API's default (stdio for images and packages, streamable HTTP
    for remote servers) is the one rule, wherever a workload comes from.

    Raises
    ------
    InvalidFlagError, InvalidNameError, InvalidRemoteUrlError
    """
    if not flags.source.strip():
        raise InvalidFlagError(
            "IMAGE_OR_PROTOCOL", "it is empty; give an image or a package such as uvx://mcp-server-time"
        )
    name = flags.name or default_workload_name(flags.source)
    check_workload_name(name)
    remote = flags.source.startswith(("http://", "https://"))
    if remote:
        parse_remote_url(flags.source)
    return CreateRequest(
        name=name,
        image="" if remote else flags.source,
        url=flags.source if remote else "",
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
        stdio_process=flags.stdio_process,
        tools=flags.tools,
        tools_override=dict(flags.tools_override),
        header_forward=HeaderForward(add_plaintext_headers=dict(flags.headers)) if flags.headers else None,
        trust_proxy_headers=flags.trust_proxy_headers,
        strict_protocol_validation=flags.strict_protocol_validation,
        stateless=flags.stateless,
        session_ttl="" if flags.session_ttl == "0" else flags.session_ttl,
        endpoint_prefix=flags.endpoint_prefix,
        allowed_origins=flags.allowed_origins,
        oidc=flags.oidc,
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
