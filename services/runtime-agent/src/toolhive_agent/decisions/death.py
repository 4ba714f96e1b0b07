"""Why a container ended, in a type and in a sentence."""

from collections.abc import Sequence
from datetime import datetime

from toolhive_common.schemas.state import DeathReason, LastDeath
from toolhive_runtime.runtime import ContainerStatus

__all__ = ["LOG_LINES", "death_of", "death_sentence"]

LOG_LINES = 20
_LONGEST_LINE = 500
_SIGNALLED = 128
_SIGNALS = {1: "SIGHUP", 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


def death_of(container: ContainerStatus, last_log_lines: Sequence[str], now: datetime) -> LastDeath:
    """Describe the end of a container that ended."""
    exit_code = container.exit_code if container.exit_code is not None else -1
    if container.oom_killed:
        reason = DeathReason.OOM
    elif exit_code > _SIGNALLED:
        reason = DeathReason.KILLED
    else:
        reason = DeathReason.EXITED
    lines = tuple(line[:_LONGEST_LINE] for line in last_log_lines if line.strip())[-LOG_LINES:]
    return LastDeath(reason=reason, exit_code=exit_code, at=container.finished_at or now, last_log_lines=lines)


def death_sentence(name: str, death: LastDeath) -> str:
    """Tell the user what happened, why, and what to do."""
    match death.reason:
        case DeathReason.OOM:
            what = f"the server ran out of memory and was killed (exit code {death.exit_code})"
        case DeathReason.KILLED:
            signal = _SIGNALS.get(death.exit_code - _SIGNALLED, f"signal {death.exit_code - _SIGNALLED}")
            what = f"the server was ended by {signal} (exit code {death.exit_code})"
        case DeathReason.EXITED:
            what = f"the server exited with code {death.exit_code}"
    said = f"; it last said: {death.last_log_lines[-1]}" if death.last_log_lines else ""
    return f"{what}{said}; see `thv logs {name}`"
