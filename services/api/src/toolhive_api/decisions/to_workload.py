"""A row as the REST API shows it."""

from urllib.parse import quote, urlsplit

from toolhive_api.models.records import WorkloadRecord
from toolhive_common.automatic import OWN_LABELS
from toolhive_common.remote import public_path
from toolhive_common.schemas.runconfig import ProxyMode, RunConfig
from toolhive_common.schemas.workload import Workload

__all__ = ["public_port", "public_url", "to_workload"]

_REMOTE = "remote"
"""ToolHive's word in place of an image. The URL itself may hold a key."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def public_port(proxy_url: str) -> int:
    """Port that clients connect to."""
    parts = urlsplit(proxy_url)
    return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def public_url(proxy_url: str, config: RunConfig) -> str:
    """Where clients connect to. With SSE it ends with the name, by which ToolHive finds a client's entry again."""
    path = public_path(config)
    fragment = f"#{quote(config.name)}" if config.proxy_mode is ProxyMode.SSE else ""
    return f"{proxy_url}/{config.name}{path}{fragment}"


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
        package=_REMOTE if config.remote_url else config.image,
        url=public_url(proxy_url, config),
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
        remote=bool(config.remote_url),
        started_at=record.started_at,
    )


def _user_labels(config: RunConfig) -> dict[str, str]:
    return {name: value for name, value in config.container_labels.items() if not name.startswith(OWN_LABELS)}
