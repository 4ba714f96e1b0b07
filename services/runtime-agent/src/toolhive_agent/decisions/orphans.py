"""What nobody wants any more: workloads, and containers of ours."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from toolhive_agent.decisions.containers import further, key_of
from toolhive_common.schemas.state import WorkloadKey
from toolhive_runtime.runtime import ContainerStatus

__all__ = ["leftovers", "orphans", "taken_back"]


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


def leftovers(containers: Sequence[ContainerStatus], held: AbstractSet[str]) -> list[str]:
    """Ids of further containers that nobody holds: of an earlier life of this agent, or of a start that failed.

    They are the agent's own doing and declared by nobody, so that no bucket has to be asked.

    Parameters
    ----------
    containers
        Those that carry the agent's own label.
    held
        Names of the further containers in use, looked up after the containers were.
    """
    return [container.container_id for container in further(containers) if container.name not in held]
