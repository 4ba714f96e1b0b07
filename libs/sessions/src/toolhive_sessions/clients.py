"""What a client said of itself when its session began."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LEVELS", "Client", "client_from"]

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Of log messages, the most verbose first."""

_CAPABILITY_OF = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
    "tasks/get": "tasks",
    "tasks/result": "tasks",
    "tasks/list": "tasks",
    "tasks/cancel": "tasks",
}


@dataclass
class Client:
    """One client of a process."""

    session: str
    version: str = ""
    """Protocol version that was agreed on with it; empty before that."""
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    """Name and version of its program."""
    log_level: str = ""
    """Least severe log message that it wants; empty when it did not say."""

    def answers(self, method: str) -> bool:
        """Whether it takes a server's request. Methods that nobody here knows are passed on."""
        needed = _CAPABILITY_OF.get(method)
        return needed is None or needed in self.capabilities

    def wants_log(self, level: object) -> bool:
        """Whether it takes a log message of a level."""
        if not self.log_level or level not in LEVELS:
            return True
        return LEVELS.index(str(level)) >= LEVELS.index(self.log_level)


def client_from(session: str, params: Mapping[str, Any]) -> Client:
    """Read the parameters of ``initialize``."""
    capabilities = params.get("capabilities")
    version = params.get("protocolVersion")
    info = params.get("clientInfo")
    name = ""
    if isinstance(info, dict):
        name = " ".join(_shown(info[part]) for part in ("name", "version") if info.get(part))
    return Client(
        session,
        version=_shown(version) if isinstance(version, str) else "",
        capabilities=capabilities if isinstance(capabilities, dict) else {},
        name=name,
    )


def _shown(value: object) -> str:
    """As text that can be written anywhere: JSON lets half a surrogate pair through, which no encoding has."""
    return str(value)[:100].encode(errors="replace").decode()
