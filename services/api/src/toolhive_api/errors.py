"""Errors of this service.

ToolHiveError
  RejectedError               a decision refused the request
  WorkloadNotFoundError       there is no workload of the name
  UnknownGroupError           there is no group of the name
  AgentNotReadyError          nothing can be run right now
  StillPreparingError         the image took longer than a request may wait
  StorageUnreachableError     the database does not answer
"""

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode, ToolHiveError

__all__ = [
    "AgentNotReadyError",
    "RejectedError",
    "StillPreparingError",
    "StorageUnreachableError",
    "UnknownGroupError",
    "WorkloadNotFoundError",
]


class RejectedError(ToolHiveError):
    """A decision refused the request; code and message are the decision's."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.code, rejection.message)


class WorkloadNotFoundError(ToolHiveError):
    """There is no workload of the name."""

    def __init__(self, *names: str) -> None:
        super().__init__(
            ErrorCode.WORKLOAD_NOT_FOUND,
            f"workload not found: {', '.join(names)}; `thv list --all` shows those that there are",
        )


class UnknownGroupError(ToolHiveError):
    """There is no group of the name."""

    def __init__(self, group: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST, f"group not found: {group}; this version has the group 'default' only"
        )
        self.group = group


class AgentNotReadyError(ToolHiveError):
    """Nothing can be run right now."""


class StillPreparingError(ToolHiveError):
    """The image took longer than a request may wait. The work goes on."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            ErrorCode.TIMEOUT,
            f"the image of {name!r} is not there after {seconds:.0f} seconds; the work goes on, "
            f"`thv status {name}` tells how far it is",
        )


class StorageUnreachableError(ToolHiveError):
    """The database does not answer."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            ErrorCode.STORAGE_UNREACHABLE,
            f"the database does not answer ({cause}); check TOOLHIVE_DATABASE_URL and that the database runs, "
            "then try again",
        )
