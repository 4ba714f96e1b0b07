"""RunConfig: the portable description of one workload, in ToolHive's file format ``v0.1.0``.

The keys, their casing and what is written when empty are ToolHive's; a file exported there is read here and back.
"""

import json
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from toolhive_common.schemas.base import GoNames, OmitEmpty
from toolhive_common.schemas.permissions import PermissionProfile

__all__ = [
    "SCHEMA_VERSION",
    "HeaderForward",
    "IgnoreConfig",
    "MiddlewareConfig",
    "ProxyMode",
    "RunConfig",
    "RuntimeConfig",
    "StdioProcess",
    "ToolOverride",
    "Transport",
]

SCHEMA_VERSION = "v0.1.0"


class Transport(StrEnum):
    """How the server inside the container speaks MCP."""

    STDIO = "stdio"
    SSE = "sse"
    STREAMABLE_HTTP = "streamable-http"
    INSPECTOR = "inspector"


class ProxyMode(StrEnum):
    """How the proxy speaks MCP to clients of a stdio server."""

    SSE = "sse"
    STREAMABLE_HTTP = "streamable-http"


class StdioProcess(StrEnum):
    """Who shares one process of a stdio server; a key of ours that ToolHive's files do not have."""

    SHARED = "shared"
    """All client sessions of one protocol era speak to one process."""
    PER_SESSION = "per-session"
    """Each client session has a process of its own."""


class ToolOverride(OmitEmpty):
    """A tool's name or description as clients shall see it."""

    name: str = ""
    description: str = ""


class MiddlewareConfig(OmitEmpty):
    """One link of the proxy's middleware chain."""

    always_written: ClassVar[frozenset[str]] = frozenset({"type", "parameters"})

    type: str
    parameters: Any = None


class RuntimeConfig(OmitEmpty):
    """Overrides for images built from ``uvx://``, ``npx://`` and ``go://``."""

    builder_image: str = ""
    additional_packages: tuple[str, ...] = ()
    """Debian packages to add."""
    build_with: tuple[str, ...] = ()
    """Extra Python requirements (``uv tool install --with``), for ``uvx://`` only."""
    runtime_env: dict[str, str] = Field(default_factory=dict)


class HeaderForward(OmitEmpty):
    """Headers that the proxy adds to what it sends to the server."""

    add_plaintext_headers: dict[str, str] = Field(default_factory=dict)
    add_headers_from_secret: dict[str, str] = Field(default_factory=dict)
    """Header name to name of the secret."""


class IgnoreConfig(GoNames, OmitEmpty):
    """``.thvignore`` settings; the keys on the wire are Go field names."""

    load_global: bool = Field(default=False, alias="LoadGlobal")
    print_overlays: bool = Field(default=False, alias="PrintOverlays")


class RunConfig(OmitEmpty):
    """Everything needed to run one workload.

    Nested objects of parts that ToolHive for Python does not act on yet are kept as they came, so that an
    import followed by an export loses nothing.
    """

    always_written: ClassVar[frozenset[str]] = frozenset(
        {"schema_version", "image", "name", "transport", "host", "port", "permission_profile"}
    )

    schema_version: str = SCHEMA_VERSION
    mcpserver_generation: int = 0
    image: str = ""
    """The image that runs, or a ``uvx://``, ``npx://`` or ``go://`` package that is built first."""
    remote_url: str = ""
    registry_api_url: str = ""
    registry_url: str = ""
    registry_server_name: str = ""
    remote_auth_config: dict[str, Any] | None = None
    cmd_args: tuple[str, ...] = ()
    """Arguments after the image's entrypoint."""
    name: str
    container_name: str = ""
    base_name: str = ""
    transport: Transport
    host: str = "127.0.0.1"
    """Address the proxy binds."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of the proxy; 0 = chosen for the user."""
    target_port: int = Field(default=0, ge=0, le=65535)
    """Port of an HTTP server inside the container."""
    target_host: str = ""
    allowed_origins: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    """Extra ports of the container on the host: ``host:container`` or ``container``."""
    permission_profile_name_or_path: str = ""
    permission_profile: PermissionProfile | None = None
    env_vars: dict[str, str] = Field(default_factory=dict)
    env_file_dir: str = ""
    debug: bool = False
    volumes: tuple[str, ...] = ()
    """``host:container[:ro]``."""
    container_labels: dict[str, str] = Field(default_factory=dict)
    oidc_config: dict[str, Any] | None = None
    token_exchange_config: dict[str, Any] | None = None
    upstream_swap_config: dict[str, Any] | None = None
    aws_sts_config: dict[str, Any] | None = None
    authz_config: dict[str, Any] | None = None
    authz_config_path: str = ""
    audit_config: dict[str, Any] | None = None
    audit_config_path: str = ""
    telemetry_config: dict[str, Any] | None = None
    rate_limit_config: dict[str, Any] | None = None
    rate_limit_namespace: str = ""
    secrets: tuple[str, ...] = ()
    """``<secret name>,target=<environment variable>``: names only, never values."""
    k8s_pod_template_patch: str = ""
    isolate_network: bool = False
    allow_docker_gateway: bool = False
    trust_proxy_headers: bool = False
    strict_protocol_validation: bool = False
    stateless: bool = False
    session_ttl: str = ""
    """A Go duration such as ``2h``; empty = 2 hours."""
    proxy_mode: ProxyMode | None = None
    stdio_process: StdioProcess | None = None
    """``None`` = shared, and not written, so that ToolHive reads our files unchanged."""
    thv_ca_bundle: str = ""
    jwks_auth_token_file: str = ""
    group: str = ""
    tools_filter: tuple[str, ...] = ()
    tools_override: dict[str, ToolOverride] = Field(default_factory=dict)
    ignore_config: IgnoreConfig | None = None
    middleware_configs: tuple[MiddlewareConfig, ...] = ()
    additional_middleware_configs: tuple[MiddlewareConfig, ...] = ()
    validating_webhooks: tuple[dict[str, Any], ...] = ()
    mutating_webhooks: tuple[dict[str, Any], ...] = ()
    endpoint_prefix: str = ""
    runtime_config: RuntimeConfig | None = None
    header_forward: HeaderForward | None = None
    embedded_auth_server_config: dict[str, Any] | None = None
    scaling_config: dict[str, Any] | None = None

    def to_file(self) -> str:
        """Serialise as an export file: two-space indent, a line end at the end."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n"
