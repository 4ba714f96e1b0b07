"""What the agent remembers of one revision of a workload, beyond what the engine shows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from toolhive_common.errors import ErrorCode

__all__ = ["Failure", "History", "Policy"]


@dataclass(frozen=True)
class Policy:
    """How patient the agent is."""

    restart_delay: timedelta = timedelta(seconds=5)
    restart_delay_max: timedelta = timedelta(seconds=60)
    good_run: timedelta = timedelta(seconds=30)
    """A run of this length was a good one: what came before it counts no more."""
    attempts: int = 10
    """Deaths, or failed starts, in a row after which the workload is given up."""


@dataclass(frozen=True)
class Failure:
    """A step that did not work."""

    code: ErrorCode
    reason: str
    final: bool
    """Trying again would not help: only a new revision does."""


@dataclass(frozen=True)
class History:
    """Memory of one revision. A new revision begins with an empty one."""

    revision: int
    correlation_id: str = ""
    """With the revision it tells one wish from another, also after a name was removed and used anew."""
    image: str = ""
    """What the image was resolved to."""
    attempts: int = 0
    """Deaths and failed starts since the last good run."""
    troubles: int = 0
    """Failures of the engine since its last success."""
    retry_from: datetime | None = None
    """The pause before the next attempt counts from here."""
    failure: Failure | None = None
    dead_run: str = ""
    """The latest run that is known to have ended."""
    last_log_lines: tuple[str, ...] = ()
    """What that run said last."""
    ready_run: str = ""
    """The run that was seen ready."""
    deaf_run: str = ""
    """The run that did not become ready in time."""
    attached_run: str = ""
    """The run whose streams are held."""
    attachment: str = ""
    """Id of that hold."""
