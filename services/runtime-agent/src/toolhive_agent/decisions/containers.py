"""Which container belongs to what: labels written and read."""

from collections.abc import Mapping, Sequence

from toolhive_common.schemas.state import WorkloadKey
from toolhive_runtime.decisions.further_containers import SLOT_LABEL, slot_of
from toolhive_runtime.runtime import ContainerStatus

__all__ = [
    "agent_labels",
    "firsts",
    "further",
    "key_of",
    "newest",
    "of_revision",
    "owner_labels",
    "revision_of",
    "run_of",
    "slot_labels",
    "workload_labels",
]

_AGENT = "toolhive-agent"
_NAMESPACE = "toolhive-namespace"
_WORKLOAD = "toolhive-workload"
"""The workload's name; ToolHive's own ``toolhive-name`` is the container's."""
_REVISION = "toolhive-revision"


def agent_labels(agent: str) -> Mapping[str, str]:
    """Labels of all containers of an agent. What lacks them is never touched."""
    return {_AGENT: agent}


def workload_labels(agent: str, key: WorkloadKey) -> Mapping[str, str]:
    """Labels of all containers of a workload."""
    return {_AGENT: agent, _NAMESPACE: key.namespace, _WORKLOAD: key.name}


def slot_labels(agent: str, key: WorkloadKey, slot: str) -> Mapping[str, str]:
    """Labels of the further container of a workload that has the slot."""
    return {**workload_labels(agent, key), SLOT_LABEL: slot}


def owner_labels(agent: str, key: WorkloadKey, revision: int) -> Mapping[str, str]:
    """Labels of the container that answers to a revision."""
    return {**workload_labels(agent, key), _REVISION: str(revision)}


def key_of(labels: Mapping[str, str]) -> WorkloadKey | None:
    """Read back whose container it is."""
    namespace, name = labels.get(_NAMESPACE), labels.get(_WORKLOAD)
    return WorkloadKey(namespace=namespace, name=name) if namespace and name else None


def revision_of(container: ContainerStatus) -> int:
    """Read back which revision it answers to; -1 when it does not say."""
    text = container.labels.get(_REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else -1


def firsts(containers: Sequence[ContainerStatus]) -> list[ContainerStatus]:
    """Those that are workloads: what is wanted, planned and reported is about them."""
    return [container for container in containers if not slot_of(container.labels)]


def further(containers: Sequence[ContainerStatus]) -> list[ContainerStatus]:
    """Those that stand beside a workload's own container, for an era or a session."""
    return [container for container in containers if slot_of(container.labels)]


def of_revision(containers: Sequence[ContainerStatus], revision: int) -> ContainerStatus | None:
    """The container of a revision; the newest, should there be several."""
    return newest([container for container in containers if revision_of(container) == revision])


def newest(containers: Sequence[ContainerStatus]) -> ContainerStatus | None:
    """The container that was made last."""
    return max(containers, key=lambda container: (container.created_at, container.container_id), default=None)


def run_of(container: ContainerStatus) -> str:
    """Name of one run of a container: it changes with each start. Empty before the first."""
    return f"{container.container_id}@{container.started_at.isoformat()}" if container.started_at else ""
