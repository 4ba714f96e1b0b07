"""Whether an agent can take work."""

from datetime import datetime, timedelta

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.state import AgentState

__all__ = ["MAX_SILENCE", "refuse_agent"]

MAX_SILENCE = timedelta(seconds=15)
"""Age of a heartbeat after which its agent counts as gone: three beats."""


def refuse_agent(
    name: str, state: AgentState | None, *, now: datetime, needs_engine: bool = True
) -> Rejection | None:
    """Say why the agent cannot run anything now, if it cannot.

    The beat's time is the agent's clock and ``now`` is this process's. Clocks that are apart make the agent seem
    older or younger by as much: one that is behind by more than `MAX_SILENCE` counts as gone though it beats, and one
    that is ahead is missed that much later. On one machine there is one clock; agents elsewhere need theirs set.

    Parameters
    ----------
    now
        This process's time, in UTC.
    needs_engine
        Whether the agent's container engine has to answer.
    """
    if state is None:
        return Rejection(
            ErrorCode.AGENT_UNREACHABLE,
            f"no agent named {name!r} has reported yet; check that the runtime-agent runs "
            "(`scripts/compose ps`) and try again",
        )
    silence = now - state.beat_at
    if silence > MAX_SILENCE:
        return Rejection(
            ErrorCode.AGENT_UNREACHABLE,
            f"the agent {name!r} has been silent for {silence.total_seconds():.0f} seconds; check that the "
            "runtime-agent runs (`scripts/compose ps`) and try again",
        )
    if state.problem and needs_engine:
        return Rejection(state.problem_code or ErrorCode.ENGINE_ERROR, state.problem)
    return None
