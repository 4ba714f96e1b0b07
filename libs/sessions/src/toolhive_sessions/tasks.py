"""Tasks (2025-11-25): whose each is. A client hears of its own only."""

from collections.abc import Mapping
from typing import Any

__all__ = ["TaskTable", "related_task"]

_RELATED = "io.modelcontextprotocol/related-task"
_MOST = 10_000
"""Tasks that are remembered. The oldest is forgotten first, and then is nobody's."""


class TaskTable:
    """Owner of each task."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}

    def created(self, session: str, result: Mapping[str, Any]) -> None:
        """Note the task that an answer tells of, if it does."""
        task = result.get("task")
        task_id = task.get("taskId") if isinstance(task, dict) else None
        if isinstance(task_id, str):
            self._owner[task_id] = session
            if len(self._owner) > _MOST:
                del self._owner[next(iter(self._owner))]

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

    def end_session(self, session: str) -> None:
        """Forget the tasks of a session."""
        if session not in self._owner.values():
            return
        self._owner = {task: owner for task, owner in self._owner.items() if owner != session}


def related_task(params: Mapping[str, Any]) -> str | None:
    """The task that a message of the server says it belongs to."""
    meta = params.get("_meta")
    related = meta.get(_RELATED) if isinstance(meta, dict) else None
    task_id = related.get("taskId") if isinstance(related, dict) else None
    return task_id if isinstance(task_id, str) else None
