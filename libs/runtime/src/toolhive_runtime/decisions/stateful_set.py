"""From a RunConfig to the StatefulSet that a cluster shall have: the server's pods.

Names, labels and annotations are ToolHive's, so that its operator and ours find what the other made.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from toolhive_common.automatic import HOST_VARIABLE, automatic_variables, own_labels
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_runtime.decisions.further_containers import further_labels
from toolhive_runtime.decisions.mounts import plan_mounts
from toolhive_runtime.decisions.pod_security import secure
from toolhive_runtime.runtime import Mount

__all__ = [
    "GENERATION",
    "SERVER_CONTAINER",
    "further_stateful_set",
    "generation_of",
    "is_outdated",
    "object_name",
    "owned_by",
    "stateful_set",
]

SERVER_CONTAINER = "mcp"
"""Name of the server's container in its pod. A pod template that means this one calls it so."""
GENERATION = "toolhive.stacklok.dev/mcpserver-generation"
"""Annotation: which generation of the declaration an object was made from."""
_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  # inside a pod of its own
_LOOPBACK = frozenset({"", "127.0.0.1", "localhost", "::1"})

_Object = dict[str, Any]


def object_name(run_config: RunConfig) -> str:
    """Name of a workload's StatefulSet."""
    return run_config.container_name or run_config.name


def stateful_set(run_config: RunConfig, patch: Mapping[str, Any], *, openshift: bool = False) -> _Object:
    """Decide what StatefulSet a workload gets, for server-side apply.

    ``replicas`` is left out unless the RunConfig says a number: who scales by hand or automatically owns the field.

    Parameters
    ----------
    patch
        Pod template to begin with, see `decisions.pod_patch`.
    openshift
        Whether the cluster chooses user and group ids itself.

    Raises
    ------
    InvalidMountError, UnsupportedSettingError
        A volume that cannot be mounted.
    """
    name = object_name(run_config)
    labels = _labels(run_config, name)
    annotations = _annotations(run_config)
    spec: _Object = {
        "selector": {"matchLabels": {"app": name}},
        "serviceName": name,
        "template": _template(run_config, patch, labels, openshift=openshift),
    }
    replicas = (run_config.scaling_config or {}).get("backend_replicas")
    if replicas is not None:
        spec["replicas"] = replicas
    metadata: _Object = {"name": name, "labels": labels}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def further_stateful_set(first: Mapping[str, Any], slot: str, owner: Mapping[str, Any]) -> _Object:
    """Decide how a further process of a stdio server is made: as the first one, but as a StatefulSet of its own.

    It goes with the first one: the cluster removes what lost its owner.

    Parameters
    ----------
    first
        What the first one was decided to be.
    owner
        The first one as the cluster has it.
    """
    made: _Object = deepcopy(dict(first))
    name = f"{first['metadata']['name']}-{slot}"
    own = further_labels(first["metadata"]["name"], slot)
    made["metadata"] |= {"name": name, "ownerReferences": [owned_by(owner)]}
    made["spec"] |= {"replicas": 1, "serviceName": name, "selector": {"matchLabels": {"app": name}}}
    for metadata in (made["metadata"], made["spec"]["template"]["metadata"]):
        metadata["labels"] = {**metadata["labels"], "app": name, **own}
    return made


def owned_by(owner: Mapping[str, Any]) -> _Object:
    """Refer to an object that the cluster has, as the owner of another."""
    metadata = owner["metadata"]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": metadata["name"], "uid": metadata["uid"]}


def generation_of(found: Mapping[str, Any]) -> int:
    """Which generation of the declaration a StatefulSet was made from; 0 when it does not say."""
    template = found.get("spec", {}).get("template", {})
    told = [part.get("metadata", {}).get("annotations") or {} for part in (found, template)]
    texts = [str(annotations.get(GENERATION, "")) for annotations in told]
    return max((int(text) for text in texts if text.isascii() and text.isdigit()), default=0)


def is_outdated(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> bool:
    """Whether the cluster has a StatefulSet of a later declaration than the one that is wanted here.

    While a proxy is replaced, the one that leaves must not put its own over that of the one that comes.
    """
    mine = generation_of(wanted)
    return found is not None and mine > 0 and generation_of(found) > mine


def _labels(run_config: RunConfig, name: str) -> dict[str, str]:
    base, transport, port = run_config.base_name or name, run_config.transport, run_config.port
    own = own_labels(name=name, base_name=base, transport=transport, port=port)
    return {**own, **run_config.container_labels, "app": name, "toolhive": "true"}


def _annotations(run_config: RunConfig) -> dict[str, str]:
    generation = run_config.mcpserver_generation
    return {GENERATION: str(generation)} if generation > 0 else {}


def _template(
    run_config: RunConfig, patch: Mapping[str, Any], labels: Mapping[str, str], *, openshift: bool
) -> _Object:
    template: _Object = deepcopy(dict(patch))
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    mounts = _mounts(run_config)
    containers = list(spec.get("containers") or [])
    at = next((i for i, each in enumerate(containers) if each.get("name") == SERVER_CONTAINER), len(containers))
    given = containers[at] if at < len(containers) else {}
    container = _container(run_config, given, mounts)
    pod_security, container["securityContext"] = secure(
        spec.get("securityContext"), given.get("securityContext"), openshift=openshift
    )
    containers[at : at + 1] = [container]
    spec |= {"restartPolicy": "Always", "securityContext": pod_security, "containers": containers}
    if mounts:
        spec["volumes"] = [*(spec.get("volumes") or []), *_volumes(mounts)]
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    if annotations := {**(metadata.get("annotations") or {}), **_annotations(run_config)}:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}


def _container(run_config: RunConfig, given: Mapping[str, Any], mounts: Sequence[Mount]) -> _Object:
    stdio = run_config.transport is Transport.STDIO
    container = {
        **given,
        "name": SERVER_CONTAINER,
        "image": run_config.image,
        "stdin": stdio,
        "tty": False,
        "env": _environment(run_config, given.get("env") or []),
    }
    if run_config.cmd_args:
        container["args"] = list(run_config.cmd_args)
    if run_config.transport is Transport.SSE:
        container["ports"] = [{"containerPort": run_config.target_port, "protocol": "TCP"}]
    if mounts:
        own = [
            {"name": _volume_name(number), "mountPath": mount.target, "readOnly": mount.read_only}
            for number, mount in enumerate(mounts)
        ]
        container["volumeMounts"] = [*(given.get("volumeMounts") or []), *own]
    return container


def _environment(run_config: RunConfig, given: Sequence[Mapping[str, Any]]) -> list[_Object]:
    """Put the RunConfig's variables after the pod template's. A name stands once, or the cluster refuses the list."""
    transport = run_config.transport
    values = {**run_config.env_vars, **automatic_variables(transport, run_config.target_port)}
    if transport is not Transport.STDIO:
        host = run_config.target_host
        values[HOST_VARIABLE] = _ALL_ADDRESSES if host in _LOOPBACK else host  # loopback would be the pod's own
    kept = {str(variable.get("name")): dict(variable) for variable in given if variable.get("name") not in values}
    return [*kept.values(), *({"name": name, "value": values[name]} for name in sorted(values))]


def _mounts(run_config: RunConfig) -> tuple[Mount, ...]:
    profile = run_config.permission_profile or BUILTIN_PROFILES["none"]
    return plan_mounts(profile, run_config.volumes, base_folder="").mounts


def _volumes(mounts: Sequence[Mount]) -> list[_Object]:
    return [{"name": _volume_name(number), "hostPath": {"path": mount.source}} for number, mount in enumerate(mounts)]


def _volume_name(number: int) -> str:
    return f"toolhive-volume-{number}"
