"""What a waiting ``POST /workloads`` answers, given what the agent has told."""

from dataclasses import dataclass
from enum import Enum, auto

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.state import ObservedPhase, ObservedWorkload

__all__ = ["NEVER_STARTED", "NeverStarted", "Outcome", "Progressing", "decide_outcome"]

NEVER_STARTED = frozenset(
    {
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNSUPPORTED_SETTING,
        ErrorCode.IMAGE_NOT_FOUND,
        ErrorCode.PACKAGE_NOT_FOUND,
        ErrorCode.IMAGE_BUILD_FAILED,
        ErrorCode.IMAGE_PULL_FAILED,
        ErrorCode.CONTAINER_NAME_TAKEN,
        ErrorCode.PORT_TAKEN,
        ErrorCode.INVALID_MOUNT,
        ErrorCode.ENGINE_UNREACHABLE,
        ErrorCode.ENGINE_PERMISSION_DENIED,
        ErrorCode.ENGINE_ERROR,
    }
)
"""Causes that leave nothing worth keeping: the user corrects the request and sends it again."""


class Progressing(Enum):
    """No refusal so far."""

    WAIT = auto()
    """Nothing is known yet, or the image is being made."""
    SETTLING = auto()
    """The image is there and the container is being made; a refusal of the engine would come in a moment."""
    MADE = auto()


@dataclass(frozen=True)
class NeverStarted:
    """It is not there and will not be: forget it and tell the user."""

    rejection: Rejection


Outcome = Progressing | NeverStarted


def decide_outcome(observed: ObservedWorkload | None, revision: int) -> Outcome:
    """Judge the latest report on a workload.

    Parameters
    ----------
    observed
        The agent's latest report, of whatever revision.
    revision
        The revision that the request made. A report on a later one means that somebody else has gone on with the
        workload; the request itself has then been carried out.
    """
    if observed is None or observed.revision < revision:
        return Progressing.WAIT
    if observed.revision > revision:
        return Progressing.MADE
    match observed.phase:
        case ObservedPhase.PREPARING:
            return Progressing.WAIT
        case ObservedPhase.STARTING:
            return Progressing.SETTLING
        case ObservedPhase.ERROR if observed.code in NEVER_STARTED:
            return NeverStarted(Rejection(observed.code, observed.reason or f"it failed: {observed.code}"))
        case _:
            return Progressing.MADE
