"""Errors of the agent.

ToolHiveError
  UnknownWorkloadError   this agent has no container of the workload
  PrepareTimeoutError    an image was not there in time
  NoTwinsError           a stdio server cannot have a further container now
  TooManyTwinsError      it has as many as it may
"""

from datetime import timedelta

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["NoTwinsError", "PrepareTimeoutError", "TooManyTwinsError", "UnknownWorkloadError"]


class UnknownWorkloadError(ToolHiveError):
    """The agent has no container of the workload."""

    def __init__(self, key: WorkloadKey) -> None:
        super().__init__(
            ErrorCode.WORKLOAD_NOT_FOUND,
            f"the workload {key.name!r} has no container yet; `thv list --all` shows what it waits for",
        )


class PrepareTimeoutError(ToolHiveError):
    """An image was not pulled or built in time."""

    def __init__(self, image: str, patience: timedelta, *, building: bool) -> None:
        super().__init__(
            ErrorCode.IMAGE_BUILD_FAILED if building else ErrorCode.IMAGE_PULL_FAILED,
            f"the image {image} could not be {'built' if building else 'pulled'}: it took longer than "
            f"{patience.total_seconds():g} seconds; check the network and the load of the machine and try again, or "
            "set TOOLHIVE_PREPARE_TIMEOUT of the agent to more seconds",
        )


class NoTwinsError(ToolHiveError):
    """A stdio server cannot have a further container now."""

    def __init__(self, key: WorkloadKey) -> None:
        super().__init__(
            ErrorCode.SERVER_NOT_READY,
            f"the workload {key.name!r} does not run, so that it can have no further process; start it with "
            f"`thv restart {key.name}`, or try again in a moment if it is being started",
        )


class TooManyTwinsError(ToolHiveError):
    """A stdio server has as many further containers as it may."""

    def __init__(self, key: WorkloadKey, most: int) -> None:
        super().__init__(
            ErrorCode.LIMIT_REACHED,
            f"the workload {key.name!r} has {most} processes of its own sessions, which is as many as it may; end "
            "sessions that are not used, or set TOOLHIVE_STDIO_MAX_PROCESSES of the agent to more",
        )
