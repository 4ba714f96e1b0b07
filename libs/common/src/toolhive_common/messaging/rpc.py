"""Questions that are asked once: ``nats.micro`` services with typed requests and replies."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import nats.errors
import structlog
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Service
from pydantic import ValidationError

from toolhive_common import __version__, subjects
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.observability.correlation import (
    NATS_HEADER,
    correlated,
    correlation_id,
    new_correlation_id,
)
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.commands import AgentOperation, ErrorReply

__all__ = ["AgentUnreachableError", "Operation", "ask_agent", "serve_agent"]

_log = structlog.get_logger(__name__)
R = TypeVar("R", bound=Wire)
_ERROR_HEADER = "Nats-Service-Error"


class AgentUnreachableError(ToolHiveError):
    """No agent of the name answers."""

    def __init__(self, agent: str) -> None:
        super().__init__(
            ErrorCode.AGENT_UNREACHABLE,
            f"the agent {agent!r} does not answer; check that the runtime-agent runs "
            "(`scripts/compose ps`) and try again",
        )


@dataclass(frozen=True)
class Operation:
    """An endpoint: the request it takes and what answers it."""

    request: type[Wire]
    answer: Callable[[Any], Awaitable[Wire]]


async def serve_agent(bus: Bus, agent: str, operations: Mapping[AgentOperation, Operation]) -> Service:
    """Offer an agent's operations as the micro service ``toolhive-agent``; ``nats micro ls`` shows it.

    Raises
    ------
    BusUnreachableError
        NATS does not answer; nothing is offered.
    """
    with translated(bus):
        service = await add_service(
            bus.client,
            name="toolhive-agent",
            version=__version__,
            description="Runs containers for ToolHive",
            metadata={"agent": agent},
        )
        try:
            for name, operation in operations.items():
                await service.add_endpoint(
                    name=str(name),
                    subject=f"{subjects.agent_service(agent)}.{name}",
                    handler=_handler(operation),
                    queue_group=f"toolhive-agent-{agent}",
                )
        except BaseException:
            with suppress(nats.errors.Error):
                await service.stop()
            raise
    return service


def _handler(operation: Operation) -> Callable[[Request], Awaitable[None]]:
    async def handle(request: Request) -> None:
        with correlated(new_correlation_id((request.headers or {}).get(NATS_HEADER))):
            try:
                reply = await operation.answer(operation.request.from_json(request.data))
            except ToolHiveError as error:
                await _refuse(request, error.code, error.message)
            except ValidationError as error:
                await _refuse(request, ErrorCode.INVALID_REQUEST, str(error))
            except Exception:  # noqa: BLE001  # the top of this request: the next one must still be served
                _log.exception("a request to the agent failed")
                await _refuse(request, ErrorCode.INTERNAL, "the agent failed; its log says why")
            else:
                await request.respond(reply.to_json())

    return handle


async def _refuse(request: Request, code: ErrorCode, message: str) -> None:
    # The reason stands in the body, typed: a header could hold no line ends.
    await request.respond_error(str(code), "see body", data=ErrorReply(code=code, message=message).to_json())


async def ask_agent(
    bus: Bus, agent: str, operation: AgentOperation, request: Wire, reply: type[R], *, patience: float = 10.0
) -> R:
    """Ask an agent and wait for its answer.

    Raises
    ------
    AgentUnreachableError
        No agent of the name listens, or it took longer than ``patience`` seconds.
    BusUnreachableError
        NATS does not answer.
    ToolHiveError
        The agent refused; code and message are its own.
    """
    if not bus.connected:
        raise bus.unreachable()
    with translated(bus):
        try:
            message = await bus.client.request(
                f"{subjects.agent_service(agent)}.{operation}",
                request.to_json(),
                timeout=patience,
                headers={NATS_HEADER: correlation_id()} if correlation_id() else None,
            )
        except (nats.errors.NoRespondersError, nats.errors.TimeoutError) as error:
            raise AgentUnreachableError(agent) from error
    if message.headers and _ERROR_HEADER in message.headers:
        refusal = ErrorReply.from_json(message.data)
        raise ToolHiveError(refusal.code, refusal.message)
    return reply.from_json(message.data)
