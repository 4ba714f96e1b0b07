"""Tasks (2025-11-25): whose each is. A client hears of its own only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolhive_common.mcp.jsonrpc import Id
from toolhive_sessions.bounds import is_bearable

__all__ = ["TaskTable", "related_task"]

_RELATED = "io.modelcontextprotocol/related-task"
_MOST = 10_000
"""Tasks that are remembered. The oldest is forgotten first, and then is nobody's."""


_OVER = frozenset({"completed", "failed", "cancelled"})
"""States of a task after which nothing more comes of it."""


@dataclass(slots=True)
class Followed:
    """Whom the progress of a task is for, once the call that made it is answered."""

    session: str
    token: Id
    """As the client wrote it."""
    task: str


class TaskTable:
    """Owner of each task."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}
        self._followed: dict[int, Followed] = {}
        """By the number of the call that made the task, which is the token on the process's side."""

    def created(self, session: str, result: Mapping[str, Any]) -> None:
        """Note the task that an answer tells of, if it does."""
        if (task_id := _made(result)) is not None:
            self._owner[task_id] = session
            if len(self._owner) > _MOST:
                del self._owner[next(iter(self._owner))]

    def follow(self, number: int, session: str, token: Id, result: Mapping[str, Any]) -> None:
        """Go on to pass on progress of the task that an answer tells of, if it does."""
        if (task_id := _made(result)) is None or _is_over(result["task"]):
            return
        self._followed[number] = Followed(session, token, task_id)
        if len(self._followed) > _MOST:
            del self._followed[next(iter(self._followed))]

    def followed(self, number: object) -> Followed | None:
        """Whom progress is for that belongs to no open call."""
        return self._followed.get(number) if type(number) is int else None

    def heard(self, task: Mapping[str, Any]) -> None:
        """Note the state of a task; one that is over has no more progress."""
        if _is_over(task):
            self.ended(task.get("taskId"))

    def ended(self, task_id: object) -> None:
        """Note that a task is over."""
        gone = [number for number, each in self._followed.items() if each.task == task_id]
        for number in gone:
            del self._followed[number]

    def owner(self, task_id: object) -> str | None:
        """The session that a task belongs to."""
        return self._owner.get(task_id) if isinstance(task_id, str) else None

    def only_own(self, session: str, result: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out of a ``tasks/list`` result what is others'."""
        tasks = result.get("tasks")
        if not isinstance(tasks, list):
            return dict(result)
        own = [task for task in tasks if isinstance(task, dict) and self.owner(task.get("taskId")) == session]
        return {**result, "tasks": own}

    def rename(self, before: str, after: str) -> None:
        """Call a session by another name."""
        for task, owner in self._owner.items():
            if owner == before:
                self._owner[task] = after
        for each in self._followed.values():
            if each.session == before:
                each.session = after

    def end_session(self, session: str) -> None:
        """Forget the tasks of a session."""
        for number in [number for number, each in self._followed.items() if each.session == session]:
            del self._followed[number]
        if session not in self._owner.values():
            return
        self._owner = {task: owner for task, owner in self._owner.items() if owner != session}


def _made(result: Mapping[str, Any]) -> str | None:
    task = result.get("task")
    task_id = task.get("taskId") if isinstance(task, dict) else None
    return task_id if isinstance(task_id, str) and is_bearable(task_id) else None


def _is_over(task: Mapping[str, Any]) -> bool:
    status = task.get("status")
    return isinstance(status, str) and status in _OVER


def related_task(params: Mapping[str, Any]) -> str | None:
    """The task that a message of the server says it belongs to."""
    meta = params.get("_meta")
    related = meta.get(_RELATED) if isinstance(meta, dict) else None
    task_id = related.get("taskId") if isinstance(related, dict) else None
    return task_id if isinstance(task_id, str) else None
