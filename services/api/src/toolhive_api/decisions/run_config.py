"""From a user's request to the RunConfig that an agent runs, by ToolHive's rules and defaults.

A setting that this version does not act on is refused by name: whoever sets a limit must not believe that it holds
when it does not.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from toolhive_api.decisions.mounts import refuse_mounts
from toolhive_api.decisions.proxy_settings import refuse_proxy_settings
from toolhive_api.decisions.refusals import invalid as _invalid
from toolhive_api.decisions.refusals import unsupported as _unsupported
from toolhive_api.decisions.remote_servers import refuse_remote, remote_transport
from toolhive_api.models.verdicts import Rejection
from toolhive_common import oidc_settings
from toolhive_common.automatic import OWN_LABELS, automatic_names, automatic_variables, own_labels
from toolhive_common.build_options import wrong_build_option
from toolhive_common.middleware.parts import InvalidMiddlewareError, UnsupportedPartsError
from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.names import PACKAGE_SCHEMES, InvalidNameError, check_workload_name
from toolhive_common.schemas.permissions import BUILTIN_PROFILES, PermissionProfile
from toolhive_common.schemas.runconfig import ProxyMode, RunConfig, StdioProcess, Transport
from toolhive_common.schemas.workload import CreateRequest
from toolhive_common.unsupported import unsupported_parts

__all__ = ["DEFAULT_GROUP", "Surroundings", "plan_run_config"]

DEFAULT_GROUP = "default"

_MAX_BYTES = 768 * 1024
"""A RunConfig travels in one NATS message, of which 1 MiB is the limit."""
_HTTP_TRANSPORTS = frozenset({Transport.SSE, Transport.STREAMABLE_HTTP})
_IMAGE = re.compile(r"[^\s\x00-\x1f]{1,512}")
_VARIABLE = re.compile(r"[^=\x00]+")
_LABEL_NAME = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_PUBLISHED = re.compile(r"(?:(?:\d{1,3}(?:\.\d{1,3}){3}:)?(?P<host>\d{1,5}):)?(?P<container>\d{1,5})")
_MAX_PORT = 65535

_SERVICES = frozenset({"nats", "api", "runtime-agent", "proxy"})
"""Names in the stack's networks. A server of such a name in the workloads' network could be taken for the service,
and be shown its passwords."""


@dataclass(frozen=True)
class Surroundings:
    """Facts that a request is judged against."""

    groups: Collection[str]
    proxy_port: int
    """The one port that clients connect to."""
    free_target_port: int
    """Port for an HTTP server whose user named none."""


def plan_run_config(request: CreateRequest, around: Surroundings) -> RunConfig | Rejection:
    """Build the RunConfig, or say by name what in the request is wrong or not supported."""
    for check in _CHECKS:
        if (rejection := check(request, around)) is not None:
            return rejection
    planned = _build(request, around)
    if parts := unsupported_parts(planned):
        return _unsupported(", ".join(parts), "leave it out of the request")
    try:
        plan_middleware(planned)
    except (InvalidMiddlewareError, UnsupportedPartsError) as error:
        return Rejection(error.code, error.message)
    if len(planned.to_json()) > _MAX_BYTES:
        return _invalid(f"the request is too large: at most {_MAX_BYTES // 1024} KiB; shorten env_vars or arguments")
    return planned


def _build(request: CreateRequest, around: Surroundings) -> RunConfig:
    container = _remote_parts(request) if request.url else _container_parts(request, around)
    transport = container.transport
    labels = own_labels(name=request.name, base_name=request.name, transport=transport, port=around.proxy_port)
    return container.model_copy(
        update={
            "port": around.proxy_port,
            "container_labels": {**request.labels, **labels},
            "group": request.group or DEFAULT_GROUP,
            "proxy_mode": ProxyMode(request.proxy_mode) if request.proxy_mode else _front(request),
            "stdio_process": StdioProcess(request.stdio_process) if request.stdio_process else None,
            "tools_filter": request.tools,
            "tools_override": request.tools_override,
            "oidc_config": oidc_settings.to_run_config(request.oidc) if request.oidc else None,
            "header_forward": request.header_forward,
            "trust_proxy_headers": request.trust_proxy_headers,
            "strict_protocol_validation": request.strict_protocol_validation,
            "stateless": request.stateless,
            "session_ttl": request.session_ttl,
            "endpoint_prefix": request.endpoint_prefix,
            "allowed_origins": request.allowed_origins,
            "middleware_configs": request.middleware_configs,
            "additional_middleware_configs": request.additional_middleware_configs,
        }
    )


def _remote_parts(request: CreateRequest) -> RunConfig:
    """Begin the RunConfig of a server that runs elsewhere."""
    return RunConfig(
        name=request.name,
        container_name=request.name,
        base_name=request.name,
        remote_url=request.url,
        transport=remote_transport(request),
    )


def _container_parts(request: CreateRequest, around: Surroundings) -> RunConfig:
    """Begin the RunConfig of a server in a container."""
    transport = _transport(request)
    target_port = (request.target_port or around.free_target_port) if transport in _HTTP_TRANSPORTS else 0
    set_by_us = automatic_names(transport)
    given = {name: value for name, value in request.env_vars.items() if name not in set_by_us}
    return RunConfig(
        image=request.image,
        name=request.name,
        container_name=request.name,
        base_name=request.name,
        transport=transport,
        target_port=target_port,
        cmd_args=request.cmd_arguments,
        env_vars={**given, **automatic_variables(transport, target_port)},
        volumes=request.volumes,
        publish=request.publish,
        permission_profile=_profile(request),
        isolate_network=request.network_isolation is not False,
        runtime_config=request.runtime_config,
    )


def _front(request: CreateRequest) -> ProxyMode:
    """How clients are told to connect, when the user did not say.

    Whatever a server in a container speaks, streamable HTTP is best; a remote server keeps its own transport, as the
    URL that is told keeps its path.
    """
    sse = request.url and request.transport == Transport.SSE
    return ProxyMode.SSE if sse else ProxyMode.STREAMABLE_HTTP


def _transport(request: CreateRequest) -> Transport:
    return Transport(request.transport) if request.transport else Transport.STDIO


def _profile(request: CreateRequest) -> PermissionProfile:
    return request.permission_profile or BUILTIN_PROFILES["network"]


_Check = Callable[[CreateRequest, Surroundings], Rejection | None]


def _refuse_unsupported(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    given = {
        "registry": request.registry,
        "server": request.server,
        "secrets": request.secrets,
        "oauth_config": request.oauth_config,
        "authz_config": request.authz_config,
        "headers": request.headers,
        "allow_docker_gateway": request.allow_docker_gateway,
        **_secret_settings(request),
    }
    found = [name for name, value in given.items() if value]
    return _unsupported(", ".join(found), "leave it out of the request") if found else None


def _secret_settings(request: CreateRequest) -> dict[str, object]:
    """Settings that hold secrets, or name some that nobody keeps yet, and files that no service here can read."""
    oidc, headers = request.oidc, request.header_forward
    return {
        "header_forward.add_headers_from_secret": headers and headers.add_headers_from_secret,
        "oidc.client_secret": oidc and oidc.client_secret,
        "oidc.ca_cert_path": oidc and oidc.ca_cert_path,
        "oidc.auth_token_file": oidc and oidc.auth_token_file,
    }


def _refuse_encoding(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    try:
        request.to_json()
    except ValueError:
        return _invalid("the request holds text that is not valid Unicode (half of a surrogate pair); correct it")
    return None


def _refuse_name(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    try:
        check_workload_name(request.name)
    except InvalidNameError as error:
        return Rejection(error.code, error.message)
    if request.name.lower() in _SERVICES:
        taken = InvalidNameError(request.name, "a service of the stack is called so, and could be taken for it")
        return Rejection(taken.code, taken.message)
    return None


def _refuse_source(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    return refuse_remote(request) if request.url else _refuse_image(request)


def _refuse_image(request: CreateRequest) -> Rejection | None:
    if not request.image:
        return _invalid(
            "image is missing; give one, a package such as 'uvx://mcp-server-time', or the url of a remote server"
        )
    scheme, separator, rest = request.image.partition("://")
    if not _IMAGE.fullmatch(request.image) or request.image.startswith("-") or (separator and not rest):
        return _invalid(f"image {request.image[:120]!r} is neither an image reference nor a package")
    if separator and scheme in {"http", "https"}:
        return _invalid("image is a URL; give the address of a remote server as url")
    if separator and not request.image.startswith(PACKAGE_SCHEMES):
        return _invalid(f"image {request.image[:120]!r}: packages begin with {', '.join(PACKAGE_SCHEMES)}")
    return None


def _refuse_transport(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    supported = (Transport.STDIO, Transport.SSE, Transport.STREAMABLE_HTTP)
    if request.transport == Transport.INSPECTOR:
        return _unsupported("transport 'inspector'", f"use one of {', '.join(supported)}")
    if request.transport and request.transport not in supported:
        return _invalid(f"transport {request.transport[:40]!r} is not known; use one of {', '.join(supported)}")
    return None


def _refuse_proxy_settings(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    return refuse_proxy_settings(request)


def _refuse_address(request: CreateRequest, around: Surroundings) -> Rejection | None:
    if request.host not in {"", "127.0.0.1"}:
        return _unsupported("host", "one proxy serves all workloads; where it listens is a setting of the stack")
    if request.proxy_port not in {0, around.proxy_port}:
        return _unsupported(
            f"proxy_port {request.proxy_port}",
            f"one proxy serves all workloads on port {around.proxy_port}; leave it out",
        )
    return None


def _refuse_group(request: CreateRequest, around: Surroundings) -> Rejection | None:
    if request.group and request.group not in around.groups:
        return _invalid(f"group not found: {request.group[:120]}; use one of {', '.join(sorted(around.groups))}")
    return None


def _refuse_texts(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    for name, value in request.env_vars.items():
        if not _VARIABLE.fullmatch(name) or "\x00" in value:
            return _invalid(f"env_vars: {name[:120]!r} cannot be an environment variable; use NAME=value")
    if any("\x00" in argument for argument in request.cmd_arguments):
        return _invalid("cmd_arguments: an argument holds a NUL character, which no program can be given")
    for name, value in request.labels.items():
        if name.startswith(OWN_LABELS):
            return _invalid(f"labels: {name[:120]!r} begins with '{OWN_LABELS}', which is kept for ToolHive's own")
        if not _LABEL_NAME.fullmatch(name) or not _LABEL_VALUE.fullmatch(value):
            return _invalid(f"labels: {name[:120]!r} or its value breaks the rules of Kubernetes labels")
    return None


def _refuse_published(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    for text in request.publish:
        ports = _PUBLISHED.fullmatch(text)
        if not ports or not all(1 <= int(port) <= _MAX_PORT for port in ports.groups() if port):
            return _invalid(f"publish: {text[:40]!r} is not '[[address:]hostPort:]containerPort'")
    return None


def _refuse_permissions(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    # A remote server has no container; a profile for it was refused before.
    return None if request.url else _refuse_profile(request)


def _refuse_profile(request: CreateRequest) -> Rejection | None:
    profile = _profile(request)
    mode = profile.network.mode if profile.network else ""
    http = request.transport in _HTTP_TRANSPORTS
    if profile.has_outbound_list:
        return _unsupported(
            "permission_profile.network.outbound.allow_host and allow_port",
            "use the profile 'network' (all outbound connections) or 'none'",
        )
    if profile.network and profile.network.inbound and profile.network.inbound.allow_host:
        return _unsupported("permission_profile.network.inbound", "leave it out")
    if mode not in {"", "bridge", "none", "host"}:
        return _unsupported(f"permission_profile.network.mode {mode[:40]!r}", "use 'bridge', 'host' or 'none'")
    if http and mode in {"none", "host"}:
        return _unsupported(f"network mode {mode!r} with an HTTP transport", "use 'bridge'")
    if http and request.network_isolation is not False and not profile.allows_all_outbound:
        return _unsupported(
            "an isolated network without outbound connections for an HTTP transport",
            "use transport stdio, or the permission profile 'network'",
        )
    return None


def _refuse_build_settings(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    config = request.runtime_config
    if config is None:
        return None
    if not request.image.startswith(PACKAGE_SCHEMES):
        return _invalid(f"runtime_config is for packages only ({', '.join(PACKAGE_SCHEMES)})")
    wrong = wrong_build_option(
        is_python=request.image.startswith("uvx://"),
        base_images=(config.builder_image,),
        extra_packages=config.additional_packages,
        build_with=config.build_with,
        environment=config.runtime_env,
    )
    if wrong is not None:
        return _invalid(f"runtime_config.{wrong.setting} cannot be {wrong.value[:200]!r}: {wrong.problem}")
    return None


def _refuse_all_mounts(request: CreateRequest, _around: Surroundings) -> Rejection | None:
    return refuse_mounts(request.volumes, request.permission_profile)


_CHECKS: tuple[_Check, ...] = (
    _refuse_encoding,
    _refuse_name,
    _refuse_unsupported,
    _refuse_source,
    _refuse_transport,
    _refuse_proxy_settings,
    _refuse_address,
    _refuse_group,
    _refuse_permissions,
    _refuse_all_mounts,
    _refuse_texts,
    _refuse_published,
    _refuse_build_settings,
)
"""In the order in which a user should hear of them."""
