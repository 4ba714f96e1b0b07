"""The endpoints of the agent's micro service."""

from collections.abc import Mapping

from toolhive_agent.services.logs import Logs
from toolhive_common.messaging.rpc import Operation
from toolhive_common.schemas.commands import AgentOperation, LogsReply, LogsRequest

__all__ = ["operations"]


def operations(logs: Logs) -> Mapping[AgentOperation, Operation]:
    """Say what answers which request."""

    async def read_logs(request: LogsRequest) -> LogsReply:
        return LogsReply(text=await logs.read(request.key, request.lines))

    return {AgentOperation.LOGS: Operation(LogsRequest, read_logs)}
