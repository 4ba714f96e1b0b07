"""What a proxy does in a cluster: apply and look at objects, and hold a pod's streams."""

from collections.abc import Mapping, Sequence
from typing import Any

from toolhive_runtime.errors import ClusterFault
from toolhive_runtime.kubernetes.access import Access
from toolhive_runtime.kubernetes.attachment import PodAttachment, attach
from toolhive_runtime.kubernetes.calls import ClusterCalls, Request

__all__ = ["FIELD_MANAGER", "Cluster"]

FIELD_MANAGER = "toolhive-container-manager"
"""Who owns the fields that are applied. ToolHive's name: either takes over what the other made."""
_NOTES_MANAGER = "toolhive-proxyrunner-notes"
"""Who owns what is noted on an object besides; an apply leaves it alone."""
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_PLURALS = {"StatefulSet": "statefulsets", "Service": "services"}
_OPENSHIFT = "/apis/route.openshift.io/v1"

Object = dict[str, Any]


class Cluster:
    """One namespace of a cluster.

    Every method raises `toolhive_runtime.errors.RuntimeFailure` with a code from `ErrorCode`:
    ``engine_unreachable``, ``engine_permission_denied``, or ``engine_error`` for whatever else is refused.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._calls = ClusterCalls(access)

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self._access.namespace

    async def describe(self) -> str:
        """Name and version, such as ``Kubernetes v1.32.5``. Also the cheapest check that the cluster answers."""
        found = await self._calls.run(Request("GET", "/version", "tell its version")) or {}
        return f"Kubernetes {found.get('gitVersion', '')}".strip()

    async def is_openshift(self) -> bool:
        """Whether the cluster is an OpenShift, which gives user ids itself."""
        return await self._calls.run(Request("GET", _OPENSHIFT, "tell what it is")) is not None

    async def apply(self, wanted: Mapping[str, Any]) -> Object:
        """Make an object, or make the one there is like it; what others have set of it besides stays. Gives it."""
        kind, name = str(wanted["kind"]), str(wanted["metadata"]["name"])
        path = self._path(str(wanted["apiVersion"]), _PLURALS[kind], name)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        doing = f"apply the {kind} {name}"
        made = await self._calls.run(Request("PATCH", path, doing, query, wanted, _APPLY))
        if made is None:
            raise ClusterFault(404, doing, f"there is no namespace {self.namespace}")
        return made

    async def stateful_set(self, name: str) -> Object | None:
        """One StatefulSet; ``None`` when it is not there."""
        return await self._calls.run(Request("GET", self._stateful_set(name), f"look at the StatefulSet {name}"))

    async def stateful_sets(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """StatefulSets that carry all the labels."""
        return await self._listed(self._stateful_set(), labels, "list the StatefulSets")

    async def pods(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """Pods that carry all the labels."""
        return await self._listed(self._path("v1", "pods"), labels, "list the pods")

    async def note(self, stateful_set: str, annotations: Mapping[str, str]) -> None:
        """Write annotations on a StatefulSet, where they start no rollout. Nothing where it is gone."""
        body = {"metadata": {"annotations": dict(annotations)}}
        query, doing = {"fieldManager": _NOTES_MANAGER}, f"write a note on the StatefulSet {stateful_set}"
        await self._calls.run(Request("PATCH", self._stateful_set(stateful_set), doing, query, body, _MERGE))

    async def delete_stateful_set(self, name: str) -> None:
        """Remove a StatefulSet and its pods. No error when it is gone."""
        doing, body = f"remove the StatefulSet {name}", {"propagationPolicy": "Background"}
        await self._calls.run(Request("DELETE", self._stateful_set(name), doing, body=body))

    async def attach(self, pod: str, container: str) -> PodAttachment:
        """Take hold of a container's standard streams. What it said before is not in them."""
        return await attach(self._access, pod, container)

    def close(self) -> None:
        """Let go of the cluster."""
        self._calls.close()

    async def _listed(self, path: str, labels: Mapping[str, str], doing: str) -> Sequence[Object]:
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
        found = await self._calls.run(Request("GET", path, doing, query)) or {}
        items: list[Object] = found.get("items") or []
        return items

    def _stateful_set(self, name: str = "") -> str:
        return self._path("apps/v1", "statefulsets", name)

    def _path(self, version: str, plural: str, name: str = "") -> str:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return f"{root}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")
