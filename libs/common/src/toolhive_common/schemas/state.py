"""Declared and observed state: the two JetStream buckets that the services converge over.

The API declares, an agent observes. Neither waits for the other: whoever comes late reads the bucket.
"""

from datetime import datetime
from enum import StrEnum
from typing import Self

from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.runconfig import RunConfig

__all__ = [
    "AgentState",
    "DeathReason",
    "DesiredPhase",
    "DesiredWorkload",
    "LastDeath",
    "ObservedPhase",
    "ObservedWorkload",
    "SyncMarker",
    "WorkloadKey",
]


class WorkloadKey(Wire):
    """A workload's identity across the system."""

    namespace: str
    name: str

    @classmethod
    def default(cls, name: str) -> Self:
        """Address a workload of the namespace that a laptop uses."""
        return cls(namespace="default", name=name)


class DesiredPhase(StrEnum):
    """What the user wants a workload to be."""

    RUNNING = "running"
    STOPPED = "stopped"
    REMOVED = "removed"


class DesiredWorkload(Wire):
    """Value of the bucket ``toolhive_desired``. Written by the API only."""

    key: WorkloadKey
    revision: int
    """Grows with each wish of the user. A new revision of a running workload means a new container."""
    phase: DesiredPhase
    run_config: RunConfig
    agent: str
    """Name of the agent that shall run it."""
    correlation_id: str
    """Of the request that made this revision; follows it through every log line and event."""
    requested_at: datetime


class ObservedPhase(StrEnum):
    """What a workload is, as its agent sees it."""

    PREPARING = "preparing"
    """Its image is being pulled or built."""
    STARTING = "starting"
    """Its image is there, its container is being started."""
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    """It died; it will be started again after a pause."""
    ERROR = "error"
    """It cannot be started, or was given up. ``code`` and ``reason`` say why."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    REMOVING = "removing"
    REMOVED = "removed"


class DeathReason(StrEnum):
    """Why a container ended."""

    EXITED = "exited"
    OOM = "oom"
    """The kernel killed it: it used more memory than it may."""
    KILLED = "killed"
    """A signal from outside (exit code above 128) that was not the agent's own."""


class LastDeath(Wire):
    """The latest end of a workload's container that the agent did not ask for."""

    reason: DeathReason
    exit_code: int
    at: datetime
    last_log_lines: tuple[str, ...] = ()
    """Oldest first, at most 20."""


class ObservedWorkload(Wire):
    """Value of the bucket ``toolhive_observed``. Written by the workload's agent only."""

    key: WorkloadKey
    revision: int
    """The desired revision this answers to."""
    phase: ObservedPhase
    agent: str
    code: ErrorCode | None = None
    """The cause, when ``phase`` is ``error`` or ``unhealthy``."""
    reason: str = ""
    """A sentence for the user: what happened, why, what to do."""
    image: str = ""
    """The image that runs, once known: for a package, the one built from it."""
    container_id: str = ""
    endpoint: str = ""
    """Base URL of an HTTP server as proxies reach it; empty for stdio."""
    attachment: str = ""
    """Id of the agent's current hold on a stdio server. Calls made under an earlier one get no answer."""
    restarts: int = 0
    """Starts after a death, since the revision was declared."""
    last_death: LastDeath | None = None
    started_at: datetime | None = None
    updated_at: datetime
    correlation_id: str = ""


class AgentState(Wire):
    """Value of the bucket ``toolhive_agents``: one heartbeat of an agent."""

    name: str
    boot_id: str
    """New with each start of the agent's process."""
    version: str
    engine: str = ""
    """Name and version of the container engine, such as ``Docker 28.2.2``; empty while out of reach."""
    problem: str = ""
    """Why the agent can run nothing right now, and what to do; empty when it can."""
    problem_code: ErrorCode | None = None
    beat_at: datetime


class SyncMarker(Wire):
    """Value of `subjects.SYNCED_KEY` in ``toolhive_desired``: all that the database declares is in the bucket.

    Only then does a missing key mean that a container is an orphan. A NATS server that lost its disk must not
    make the agents remove everything before the API has declared it again.
    """

    synced_at: datetime
