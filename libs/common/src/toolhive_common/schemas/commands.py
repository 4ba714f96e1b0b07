"""Requests that an agent answers at once (``nats.micro``), and the progress it reports meanwhile."""

from enum import StrEnum

from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["AgentOperation", "ErrorReply", "LogsReply", "LogsRequest", "Progress", "ProgressStage"]


class AgentOperation(StrEnum):
    """Endpoints of an agent's micro service."""

    LOGS = "logs"


class LogsRequest(Wire):
    """Ask for the end of a workload's output."""

    key: WorkloadKey
    lines: int = 1000


class LogsReply(Wire):
    """The end of a workload's output, standard error included."""

    text: str


class ErrorReply(Wire):
    """Answer to any request that could not be carried out."""

    code: ErrorCode
    message: str


class ProgressStage(StrEnum):
    """What a workload's agent is busy with."""

    PULLING = "pulling"
    BUILDING = "building"
    STARTING = "starting"


class Progress(Wire):
    """A sign of life of a long step. Sent once, kept nowhere: a fact that matters is an event."""

    key: WorkloadKey
    revision: int
    stage: ProgressStage
    message: str
    """One line, such as ``Step 3/7: uv tool install mcp-server-time`` or ``layer 2 of 5``."""
    fraction: float | None = None
    """Share that is done, 0 to 1, where it is known."""
