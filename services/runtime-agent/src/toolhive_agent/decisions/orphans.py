"""What nobody wants any more: workloads, and containers of ours."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from toolhive_agent.decisions.containers import key_of
from toolhive_common.schemas.state import WorkloadKey
from toolhive_runtime.runtime import ContainerStatus

__all__ = ["orphans", "taken_back"]


def taken_back(
    known: AbstractSet[WorkloadKey], declared: AbstractSet[WorkloadKey], *, synced: bool
) -> AbstractSet[WorkloadKey]:
    """Workloads to forget. The parameters are those of `orphans`."""
    return known - declared if synced else frozenset()


def orphans(containers: Sequence[ContainerStatus], declared: AbstractSet[WorkloadKey], *, synced: bool) -> list[str]:
    """Ids of containers to remove.

    Parameters
    ----------
    containers
        Those that carry the agent's own label.
    declared
        Workloads that are declared for this agent.
    synced
        Whether the bucket is known to hold all that is declared. A bucket that lost its disk holds nothing, and
        nothing is removed for that.
    """
    if not synced:
        return []
    return [container.container_id for container in containers if key_of(container.labels) not in declared]
