"""Workloads as text and as JSON."""

import json
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from toolhive_cli.presentation.tables import columns
from toolhive_common.schemas.runconfig import ProxyMode, Transport
from toolhive_common.schemas.workload import Workload, WorkloadStatus

__all__ = [
    "NO_WORKLOADS",
    "client_config",
    "uptime",
    "workload_details",
    "workload_details_json",
    "workload_json",
    "workload_table",
    "workloads_json",
]

NO_WORKLOADS = "No MCP servers found"

_MARKS = {
    WorkloadStatus.UNAUTHENTICATED: "⚠️  ",
    WorkloadStatus.AUTH_RETRYING: "🔄 ",
    WorkloadStatus.POLICY_STOPPED: "🚫 ",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def workload_table(workloads: Sequence[Workload], zone: tzinfo | None) -> str:
    """Show workloads as a table.

    Parameters
    ----------
    zone
        Where the reader's clock is; ``None`` = as this machine's.
    """
    if not workloads:
        return NO_WORKLOADS
    head = ("NAME", "PACKAGE", "STATUS", "URL", "PORT", "GROUP", "CREATED")
    rows = [
        (
            one.name,
            one.package,
            f"{_MARKS.get(one.status, '')}{one.status}",
            one.url,
            str(one.port),
            one.group,
            _local(one.created_at, zone),
        )
        for one in workloads
    ]
    return columns([head, *rows])


def workloads_json(workloads: Sequence[Workload]) -> str:
    """Show workloads as a JSON array."""
    return _json([one.model_dump(mode="json") for one in workloads])


def workload_json(workload: Workload) -> str:
    """Show one workload as a JSON object, as it stands in the array."""
    return _json(workload.model_dump(mode="json"))


def client_config(workloads: Sequence[Workload]) -> str:
    """Show workloads as the part of an MCP client's configuration that connects to them."""
    return _json({"mcpServers": {one.name: {"url": one.url, "type": _front(one)} for one in workloads}})


def workload_details(workload: Workload, *, now: datetime, zone: tzinfo | None) -> str:
    """Show one workload, a fact a line; what is empty is left out."""
    facts = {
        "Name": workload.name,
        "Status": str(workload.status),
        "Reason": workload.status_context,
        "Package": workload.package,
        "URL": workload.url,
        "Port": str(workload.port or ""),
        "Transport": str(workload.transport_type),
        "Proxy Mode": str(workload.proxy_mode or ""),
        "Group": workload.group,
        "Created": _local(workload.created_at, zone),
        "Remote": "true" if workload.remote else "",
        "Uptime": uptime(workload, now),
    }
    lines = [(f"{label}:", value.replace("\n", "\n" + " " * 14)) for label, value in facts.items() if value]
    return columns(lines)


def workload_details_json(workload: Workload, *, now: datetime) -> str:
    """Show one workload as the JSON object of ``thv status``."""
    optional = {
        "status_context": workload.status_context,
        "proxy_mode": workload.proxy_mode,
        "group": workload.group,
        "uptime": uptime(workload, now),
    }
    return _json(
        {
            "name": workload.name,
            "status": workload.status,
            "package": workload.package,
            "url": workload.url,
            "port": workload.port,
            "transport": workload.transport_type,
            **{key: value for key, value in optional.items() if value},
        }
    )


def uptime(workload: Workload, now: datetime) -> str:
    """Say for how long it has been running, such as ``1d 2h 3m``; empty when it does not run."""
    if workload.started_at is None or workload.status is not WorkloadStatus.RUNNING:
        return ""
    seconds = max(0, int((now - workload.started_at).total_seconds()))
    days, hours, minutes = seconds // _DAY, seconds % _DAY // _HOUR, seconds % _HOUR // _MINUTE
    if days:
        return f"{days}d {hours}h {minutes}m"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"


def _front(workload: Workload) -> str:
    """How clients speak to it: as its proxy says; one that does not say speaks as the server itself."""
    own = ProxyMode.STREAMABLE_HTTP if workload.transport_type is Transport.STDIO else workload.transport_type
    return str(workload.proxy_mode or own)


def _local(moment: datetime, zone: tzinfo | None) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
