"""What an operator, or a user by hand, makes of a workload: the objects around a proxyrunner. Pure."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["RULES", "proxyrunner_objects"]

RULES = (
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get", "list", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/attach"], "verbs": ["create", "get"]},
)
"""All that a proxyrunner needs."""
_LOCKED = {
    "privileged": False,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_CONFIG = "/etc/runconfig"

_Object = dict[str, Any]


def proxyrunner_objects(
    run_config: Mapping[str, Any],
    *,
    image: str,
    pod_patch: Mapping[str, Any] | None = None,
    generation: int = 0,
    arguments: tuple[str, ...] = (),
    configured: bool = True,
    variables: Mapping[str, str] | None = None,
) -> list[_Object]:
    """Objects of one workload, in the order in which they are made; the Service opens a port of the node.

    Parameters
    ----------
    image
        Of the proxy.
    generation
        What the proxy's pod is told of the declaration that it is made from; 0 = nothing.
    configured
        Whether the ConfigMap holds the RunConfig.
    variables
        Of the proxy.
    """
    name = str(run_config["name"])
    runner = f"{name}-proxy-runner"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(name, runner)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": _metadata(name, runner),
            "rules": [dict(rule) for rule in RULES],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": _metadata(name, runner),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": runner},
            "subjects": [{"kind": "ServiceAccount", "name": runner}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": _metadata(name, f"{name}-runconfig"),
            "data": {"runconfig.json": json.dumps(run_config)} if configured else {},
        },
        _deployment(run_config, image, pod_patch, arguments, _variables(generation, variables or {})),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata(name, f"mcp-{name}-proxy"),
            "spec": {
                "type": "NodePort",
                "publishNotReadyAddresses": True,  # to be asked why it is not
                "selector": _labels(name),
                "ports": [{"name": "http", "port": run_config["port"], "targetPort": "http"}],
            },
        },
    ]


def _labels(name: str) -> dict[str, str]:
    return {
        "app": "mcpserver",
        "app.kubernetes.io/name": "mcpserver",
        "app.kubernetes.io/instance": name,
        "toolhive": "true",
        "toolhive-name": name,
    }


def _metadata(name: str, own: str) -> _Object:
    return {"name": own, "labels": _labels(name)}


def _variables(generation: int, more: Mapping[str, str]) -> dict[str, str]:
    told = {"THV_MCPSERVER_GENERATION": str(generation)} if generation else {}
    return {"TOOLHIVE_RUNTIME": "kubernetes", "HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp", **told, **more}


def _deployment(
    run_config: Mapping[str, Any],
    image: str,
    pod_patch: Mapping[str, Any] | None,
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
) -> _Object:
    name = str(run_config["name"])
    patch = (f"--k8s-pod-patch={json.dumps(pod_patch)}",) if pod_patch else ()
    container = {
        "name": "toolhive",
        "image": image,
        "command": ["python", "-m", "toolhive_proxy.proxyrunner"],
        "args": ["run", *patch, *arguments, str(run_config["image"])],
        "ports": [{"name": "http", "containerPort": run_config["port"]}],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": [{"name": "runconfig", "mountPath": _CONFIG, "readOnly": True}],
        "securityContext": _LOCKED,
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 2, "failureThreshold": 3},
        "startupProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 60},
    }
    pod = {
        "serviceAccountName": f"{name}-proxy-runner",
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "containers": [container],
        "volumes": [{"name": "runconfig", "configMap": {"name": f"{name}-runconfig"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, name),
        "spec": {
            "selector": {"matchLabels": _labels(name)},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": _labels(name)}, "spec": pod},
        },
    }
