"""A row as the REST API shows it."""

from urllib.parse import urlsplit

from toolhive_api.models.records import WorkloadRecord
from toolhive_common.automatic import OWN_LABELS, automatic_names
from toolhive_common.schemas.runconfig import ProxyMode, RunConfig
from toolhive_common.schemas.workload import CreateRequest, Workload

__all__ = ["public_port", "to_create_request", "to_workload"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def public_port(proxy_url: str) -> int:
    """Port that clients connect to."""
    parts = urlsplit(proxy_url)
    return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def to_workload(record: WorkloadRecord, *, proxy_url: str) -> Workload:
    """Show a workload in a listing.

    Parameters
    ----------
    proxy_url
        Where clients reach the proxy, without a slash at the end.
    """
    config = record.run_config
    return Workload(
        name=record.key.name,
        package=config.image,
        url=f"{proxy_url}/{record.key.name}/mcp",
        port=public_port(proxy_url),
        transport_type=config.transport,
        # Whatever the server speaks, clients of this proxy speak streamable HTTP.
        proxy_mode=config.proxy_mode or ProxyMode.STREAMABLE_HTTP,
        status=record.status,
        status_context=record.status_context,
        created_at=record.created_at,
        labels=_user_labels(config),
        group=config.group,
        tools=config.tools_filter,
        started_at=record.started_at,
    )


def to_create_request(record: WorkloadRecord) -> CreateRequest:
    """Show a workload as the request that would make it again."""
    config = record.run_config
    set_by_us = automatic_names(config.transport)
    return CreateRequest(
        name=record.key.name,
        image=config.image,
        host=config.host,
        proxy_port=config.port,
        target_port=config.target_port,
        transport=config.transport,
        proxy_mode=config.proxy_mode or "",
        cmd_arguments=config.cmd_args,
        volumes=config.volumes,
        tools=config.tools_filter,
        env_vars={name: value for name, value in config.env_vars.items() if name not in set_by_us},
        permission_profile=config.permission_profile,
        network_isolation=config.isolate_network,
        allow_docker_gateway=config.allow_docker_gateway,
        trust_proxy_headers=config.trust_proxy_headers,
        tools_override=config.tools_override,
        group=config.group,
        runtime_config=config.runtime_config,
        labels=_user_labels(config),
        publish=config.publish,
    )


def _user_labels(config: RunConfig) -> dict[str, str]:
    return {name: value for name, value in config.container_labels.items() if not name.startswith(OWN_LABELS)}
