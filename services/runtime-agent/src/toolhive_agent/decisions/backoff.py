"""How long to wait before the next attempt."""

from datetime import datetime, timedelta

from toolhive_agent.models.history import Policy

__all__ = ["delay", "next_attempt"]


def delay(attempts: int, policy: Policy) -> timedelta:
    """Pause before the attempt after ``attempts`` bad ones: doubled each time, up to a limit."""
    if attempts <= 0:
        return timedelta(0)
    doubled = policy.restart_delay.total_seconds() * 2 ** min(attempts - 1, 30)
    return min(timedelta(seconds=min(doubled, 86400)), policy.restart_delay_max)


def next_attempt(since: datetime | None, attempts: int, now: datetime, policy: Policy) -> datetime:
    """Time of the next attempt; not later than one pause from now, should the engine's clock be ahead of ours."""
    pause = delay(attempts, policy)
    return min((since or now) + pause, now + pause)
