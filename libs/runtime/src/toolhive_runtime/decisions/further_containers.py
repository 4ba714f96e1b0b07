"""Further containers of a workload: the same server once more, for one protocol era or one client session."""

import re
from collections.abc import Mapping
from dataclasses import replace

from toolhive_runtime.runtime import ContainerSpec

__all__ = ["AUXILIARY_LABEL", "SLOT_LABEL", "WORKLOAD_LABEL", "further_labels", "further_spec", "slot_of"]

AUXILIARY_LABEL = "toolhive-auxiliary"
SLOT_LABEL = "toolhive-slot"
_HIDDEN_LABEL = "toolhive-auxiliary-workload"
"""What makes ToolHive's own ``thv list`` on the same engine pass a container over."""
WORKLOAD_LABEL = "toolhive-workload"
_SLOT = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def further_spec(spec: ContainerSpec, *, workload: str, slot: str) -> ContainerSpec:
    """Decide how a further container is made: as the first one, but with a name and labels of its own.

    It publishes no ports: the first container has them.

    Parameters
    ----------
    spec
        Of the first container.
    slot
        Small letters, digits and dashes, such as ``modern`` or ``s-0a1b2c3d``; at most 40.

    Raises
    ------
    ValueError
        The slot cannot be part of a container's name.
    """
    own = further_labels(workload, slot)
    return replace(spec, name=f"{spec.name}-{slot}", labels={**spec.labels, **own}, ports=())


def further_labels(workload: str, slot: str) -> dict[str, str]:
    """Labels that a further container has besides those of the first one.

    Raises
    ------
    ValueError
        The slot cannot be part of a container's name.
    """
    if not _SLOT.fullmatch(slot):
        raise ValueError(f"{slot[:80]!r} cannot name a slot")
    return {AUXILIARY_LABEL: "true", _HIDDEN_LABEL: "true", WORKLOAD_LABEL: workload, SLOT_LABEL: slot}


def slot_of(labels: Mapping[str, str]) -> str:
    """Read back which slot a container has; empty for a workload's first one."""
    return labels.get(SLOT_LABEL, "")
