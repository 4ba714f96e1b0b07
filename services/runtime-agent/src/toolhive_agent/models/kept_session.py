"""What is kept of a client's session, so that it outlives the agent's process."""

from datetime import datetime
from typing import Any

from toolhive_common.schemas.base import Wire

__all__ = ["KeptSession"]


class KeptSession(Wire):
    """Value of the bucket ``toolhive_sessions``. Written and read by agents only."""

    container_id: str
    started_at: datetime
    """With the id it names the process that serves the session."""
    name: str
    """Stands for the session's id, which is kept nowhere: it lets in whoever knows it."""
    version: str = ""
    capabilities: dict[str, Any]
    client: str = ""
    log_level: str = ""
    subscriptions: tuple[str, ...] = ()
