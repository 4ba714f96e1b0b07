"""What is kept of a stdio server's handshake, so that a restart of the agent needs no second one."""

from datetime import datetime
from typing import Any

from toolhive_common.schemas.base import Wire

__all__ = ["SavedHandshake"]


class SavedHandshake(Wire):
    """Value of the bucket ``toolhive_handshakes``. Written and read by agents only."""

    container_id: str
    started_at: datetime
    """With the id it names the process: after a restart of the container it is another one."""
    params: dict[str, Any]
    result: dict[str, Any]
    initialized: bool
    """Whether the server was told ``notifications/initialized``."""
    modern: bool = False
    """Whether it speaks the era without a handshake; then ``params`` and ``result`` are empty."""
