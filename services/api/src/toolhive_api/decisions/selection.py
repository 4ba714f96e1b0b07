"""Which workloads a request is about."""

from collections.abc import Iterable, Mapping

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.manager import Selection
from toolhive_common.schemas.workload import Workload, WorkloadStatus

__all__ = ["is_listed", "parse_labels", "refuse_selection"]

_LISTED = frozenset({WorkloadStatus.RUNNING, WorkloadStatus.AUTH_RETRYING})
"""What a listing shows that does not ask for all."""


def refuse_selection(selection: Selection) -> Rejection | None:
    """Refuse a selection of nothing, or of two kinds at once."""
    if bool(selection.names) == bool(selection.group):
        return Rejection(ErrorCode.INVALID_REQUEST, "give either names or a group, not both and not neither")
    return None


def is_listed(workload: Workload, *, list_all: bool, labels: Mapping[str, str]) -> bool:
    """Tell whether a listing shows the workload."""
    return (list_all or workload.status in _LISTED) and labels.items() <= workload.labels.items()


def parse_labels(texts: Iterable[str]) -> dict[str, str] | Rejection:
    """Read ``name=value``, several separated by commas."""
    labels: dict[str, str] = {}
    for text in (part for joined in texts for part in joined.split(",") if part):
        name, separator, value = text.partition("=")
        if not name or not separator:
            return Rejection(ErrorCode.INVALID_REQUEST, f"labels: {text[:120]!r} is not of the form name=value")
        labels[name] = value
    return labels
