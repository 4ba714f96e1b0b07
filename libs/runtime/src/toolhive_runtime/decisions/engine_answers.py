"""Reading the engine's JSON about containers and their changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toolhive_runtime.runtime import ContainerEvent, ContainerEventKind, ContainerState, ContainerStatus

__all__ = ["EngineVersion", "container_event", "container_status", "engine_version", "is_vanishing"]

_EVENTS = {
    "start": ContainerEventKind.STARTED,
    "die": ContainerEventKind.DIED,
    "died": ContainerEventKind.DIED,  # Podman
    "oom": ContainerEventKind.OOM,
    "destroy": ContainerEventKind.REMOVED,
    "remove": ContainerEventKind.REMOVED,  # Podman
}
_STATES = {
    "created": ContainerState.CREATED,
    "configured": ContainerState.CREATED,  # Podman
    "initialized": ContainerState.CREATED,  # Podman
    "running": ContainerState.RUNNING,
    "restarting": ContainerState.EXITED,
    "exited": ContainerState.EXITED,
    "stopped": ContainerState.EXITED,  # Podman
    "dead": ContainerState.EXITED,
    "removing": ContainerState.REMOVING,
    "paused": ContainerState.PAUSED,
}
_NOT_LABELS = frozenset({"image", "name", "exitCode", "containerExitCode", "signal", "podId"})
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_NEVER = "0001-"
_OWNER = "toolhive-agent"


@dataclass(frozen=True)
class EngineVersion:
    """Who answers."""

    product: str
    version: str
    api: str
    """The newest version of the API that it speaks."""

    @property
    def has_init(self) -> bool:
        """Whether it brings an init process. Docker always does; Podman's is a package of its own, often missing."""
        return self.product == "Docker"


def engine_version(answer: Mapping[str, Any]) -> EngineVersion:
    """Translate the answer to ``GET /version``."""
    names = [str(component.get("Name", "")).lower() for component in answer.get("Components") or ()]
    product = "Podman" if any("podman" in name for name in names) else "Docker"
    return EngineVersion(product, str(answer.get("Version", "")), str(answer.get("ApiVersion", "")))


def container_event(message: Mapping[str, Any]) -> ContainerEvent | None:
    """Translate a message of the engine's event stream; ``None`` for what concerns nobody here."""
    kind = _EVENTS.get(str(message.get("Action") or message.get("status") or ""))
    if kind is None or message.get("Type", "container") != "container":
        return None
    actor = message.get("Actor") or {}
    attributes = {str(key): str(value) for key, value in (actor.get("Attributes") or {}).items()}
    code = attributes.get("exitCode", attributes.get("containerExitCode", ""))
    nanoseconds = message.get("timeNano") or int(message.get("time") or 0) * 1_000_000_000
    return ContainerEvent(
        kind=kind,
        container_id=str(actor.get("ID") or message.get("id") or ""),
        name=attributes.get("name", ""),
        labels={key: value for key, value in attributes.items() if key not in _NOT_LABELS},
        at=datetime.fromtimestamp(nanoseconds / 1e9, UTC),
        exit_code=int(code) if kind is ContainerEventKind.DIED and code.lstrip("-").isdigit() else None,
    )


def container_status(answer: Mapping[str, Any]) -> ContainerStatus:
    """Translate the engine's description of one container (its ``inspect``)."""
    state = answer.get("State") or {}
    config = answer.get("Config") or {}
    known = _STATES.get(str(state.get("Status", "")), ContainerState.UNKNOWN)
    ended = known is ContainerState.EXITED
    return ContainerStatus(
        container_id=str(answer["Id"]),
        name=str(answer.get("Name", "")).removeprefix("/"),
        image=str(config.get("Image", "")),
        state=known,
        labels=dict(config.get("Labels") or {}),
        created_at=_time(answer.get("Created")) or datetime.fromtimestamp(0, UTC),
        started_at=_time(state.get("StartedAt")),
        finished_at=_time(state.get("FinishedAt")),
        exit_code=int(state.get("ExitCode", 0)) if ended else None,
        oom_killed=bool(state.get("OOMKilled")),
        address=_address(answer) if known is ContainerState.RUNNING else "",
    )


def _address(answer: Mapping[str, Any]) -> str:
    settings = answer.get("NetworkSettings") or {}
    networks = settings.get("Networks") or {}
    addresses = [str(network.get("IPAddress") or "") for network in networks.values()]
    return next((address for address in addresses if address), str(settings.get("IPAddress") or ""))


def _time(text: object) -> datetime | None:
    """Read the engine's time, which has nanoseconds; its zero time means never."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[0].startswith(_NEVER):
        return None
    microseconds = (match[2] or "0")[:6].ljust(6, "0")
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(f"{match[1]}.{microseconds}{zone}").astimezone(UTC)


def is_vanishing(holder: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a name's holder will be gone in a moment: it is already, or is being removed, or belongs to us.

    Parameters
    ----------
    holder
        What the engine says of the container that has the name; ``None`` = there is none any more.
    labels
        Those of the container that shall get the name. Ours are only made when the earlier one was removed.
    """
    if holder is None or holder.get("State", {}).get("Status") in {"removing", "dead"}:
        return True
    owner = labels.get(_OWNER)
    return bool(owner) and (holder.get("Config", {}).get("Labels") or {}).get(_OWNER) == owner
