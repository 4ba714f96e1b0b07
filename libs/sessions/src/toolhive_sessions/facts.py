"""What has to be known of a client's session so that another broker can go on with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolhive_common.mcp.session_ids import shown_part

__all__ = ["SessionFacts", "is_kept_name", "kept_name"]

_MARK = "~"


@dataclass(frozen=True)
class SessionFacts:
    """One session with a process that outlives its broker."""

    name: str
    """`kept_name` of its id. The id itself lets in whoever knows it, and is kept nowhere."""
    version: str = ""
    """Protocol version that was asked for."""
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    client: str = ""
    """Name and version of the client's program."""
    log_level: str = ""
    subscriptions: tuple[str, ...] = ()
    """Resources that it wants to hear of."""


def kept_name(session: str) -> str:
    """What stands for a session's id where others may read: its first characters, and a digest of it all."""
    if is_kept_name(session):
        return session
    return f"{shown_part(session)}{_MARK}{hashlib.sha256(session.encode(errors='replace')).hexdigest()}"


def is_kept_name(session: str) -> bool:
    """Whether this is no id but what stands for one. It lets nobody in."""
    return _MARK in session
