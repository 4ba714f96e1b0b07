"""Workloads as the REST API and ``thv`` show them, and the request that makes one."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from toolhive_common.schemas.base import OmitEmpty, Wire
from toolhive_common.schemas.permissions import PermissionProfile
from toolhive_common.schemas.runconfig import (
    HeaderForward,
    MiddlewareConfig,
    ProxyMode,
    RuntimeConfig,
    ToolOverride,
    Transport,
)

__all__ = [
    "BulkRequest",
    "CreateRequest",
    "CreatedWorkload",
    "OidcOptions",
    "SecretParameter",
    "Workload",
    "WorkloadList",
    "WorkloadStatus",
    "WorkloadStatusReply",
]


class WorkloadStatus(StrEnum):
    """The state of a workload, in ToolHive's words."""

    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    """It died or does not answer, and is being brought back."""
    ERROR = "error"
    """It could not be started, or was given up after repeated deaths. ``status_context`` says why."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    REMOVING = "removing"
    UNKNOWN = "unknown"
    UNAUTHENTICATED = "unauthenticated"
    AUTH_RETRYING = "auth_retrying"
    POLICY_STOPPED = "policy_stopped"


class Workload(OmitEmpty):
    """One workload in a listing."""

    always_written: ClassVar[frozenset[str]] = frozenset(
        {"name", "package", "url", "port", "transport_type", "status", "created_at"}
    )

    name: str
    package: str = ""
    """The image or package it runs."""
    url: str = ""
    """Where clients connect to."""
    port: int = 0
    transport_type: Transport
    proxy_mode: ProxyMode | None = None
    status: WorkloadStatus
    status_context: str = ""
    """Why the status is what it is, in a sentence."""
    created_at: datetime
    labels: dict[str, str] = Field(default_factory=dict)
    """The user's labels only."""
    group: str = ""
    tools: tuple[str, ...] = ()
    remote: bool = False
    started_at: datetime | None = None


class WorkloadList(Wire):
    """Answer of ``GET /api/v1beta/workloads``."""

    workloads: tuple[Workload, ...] = ()


class WorkloadStatusReply(Wire):
    """Answer of ``GET /api/v1beta/workloads/{name}/status``."""

    status: WorkloadStatus


class SecretParameter(Wire):
    """A secret by name and the environment variable it goes to."""

    name: str
    target: str


class OidcOptions(OmitEmpty):
    """Incoming authentication of a workload, as the REST API spells it."""

    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    introspection_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    scopes: tuple[str, ...] = ()
    resource_url: str = ""
    """With what follows an addition to ToolHive's keys, for what ``thv run`` can say."""
    ca_cert_path: str = ""
    auth_token_file: str = ""
    allow_private_ip: bool = False
    insecure_allow_http: bool = False
    required_scopes: tuple[str, ...] = ()
    """Scopes without which a token is refused."""


class CreateRequest(OmitEmpty):
    """Body of ``POST /api/v1beta/workloads``, and the answer of ``GET /api/v1beta/workloads/{name}``.

    What follows ``runtime_config`` are additions to ToolHive's keys, for what ``thv run`` can say.
    """

    # Left out it means true, so that a false must be written: the answer of GET, sent again, makes the same workload.
    always_written: ClassVar[frozenset[str]] = frozenset({"network_isolation"})

    name: str = ""
    image: str = ""
    url: str = ""
    registry: str = ""
    server: str = ""
    host: str = ""
    proxy_port: int = Field(default=0, ge=0, le=65535)
    target_port: int = Field(default=0, ge=0, le=65535)
    transport: str = ""
    proxy_mode: str = ""
    cmd_arguments: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    env_vars: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[SecretParameter, ...] = ()
    permission_profile: PermissionProfile | None = None
    network_isolation: bool | None = None
    """``None`` = true, as in ToolHive."""
    allow_docker_gateway: bool = False
    trust_proxy_headers: bool = False
    tools_override: dict[str, ToolOverride] = Field(default_factory=dict)
    group: str = ""
    authz_config: str = ""
    oidc: OidcOptions | None = None
    oauth_config: dict[str, Any] | None = None
    headers: tuple[dict[str, Any], ...] = ()
    header_forward: HeaderForward | None = None
    runtime_config: RuntimeConfig | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    publish: tuple[str, ...] = ()
    stdio_process: str = ""
    """``shared`` or ``per-session``; empty = shared."""
    strict_protocol_validation: bool = False
    stateless: bool = False
    session_ttl: str = ""
    endpoint_prefix: str = ""
    allowed_origins: tuple[str, ...] = ()
    middleware_configs: tuple[MiddlewareConfig, ...] = ()
    additional_middleware_configs: tuple[MiddlewareConfig, ...] = ()


class CreatedWorkload(Wire):
    """Answer of ``POST /api/v1beta/workloads``."""

    name: str
    port: int


class BulkRequest(Wire):
    """Body of the bulk operations: workloads by name, or all of a group."""

    names: tuple[str, ...] = ()
    group: str = ""
