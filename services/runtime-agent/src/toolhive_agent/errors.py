"""Errors of the agent.

ToolHiveError
  UnknownWorkloadError   this agent has no container of the workload
"""

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["UnknownWorkloadError"]


class UnknownWorkloadError(ToolHiveError):
    """The agent has no container of the workload."""

    def __init__(self, key: WorkloadKey) -> None:
        super().__init__(
            ErrorCode.WORKLOAD_NOT_FOUND,
            f"the workload {key.name!r} has no container yet; `thv list --all` shows what it waits for",
        )
