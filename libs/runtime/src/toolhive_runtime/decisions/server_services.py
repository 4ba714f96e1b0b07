"""From a RunConfig to the Services that make a server's pods reachable. A stdio server has none."""

from collections.abc import Mapping
from typing import Any

from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_runtime.decisions.stateful_set import object_name, owned_by

__all__ = ["server_services", "service_name"]

_AFFINITY = 1800
"""Seconds for which a client stays with the same pod: servers keep sessions in their memory."""


def service_name(run_config: RunConfig) -> str:
    """Host name of a server inside its namespace."""
    return f"mcp-{object_name(run_config)}"


def server_services(run_config: RunConfig, owner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Decide which Services a workload gets, in the order in which they are made.

    Parameters
    ----------
    owner
        The StatefulSet as the cluster has it; the Services go with it.
    """
    if run_config.transport is Transport.STDIO:
        return []
    name = service_name(run_config)
    sticky = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": _AFFINITY}}}
    return [
        _service(run_config, f"{name}-headless", owner, {"clusterIP": "None"}),
        _service(run_config, name, owner, sticky),
    ]


def _service(run_config: RunConfig, name: str, owner: Mapping[str, Any], kind: Mapping[str, Any]) -> dict[str, Any]:
    port, app = run_config.target_port, object_name(run_config)
    ports = [{"name": f"port-{port}", "port": port, "targetPort": port, "protocol": "TCP"}]
    labels = {"app": app, "toolhive": "true", "toolhive-name": app}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owned_by(owner)]},
        "spec": {**kind, "selector": {"app": app}, "ports": ports},
    }
