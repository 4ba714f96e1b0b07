"""Which session's request is which on the process's side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolhive_common.mcp.jsonrpc import Id, is_id
from toolhive_sessions.effects import CallKey, call_key

__all__ = ["Call", "CallTable", "progress_token"]

_RECENT = 5
"""Ticks for which what a session had done may still have the process say something."""


@dataclass(slots=True)
class Call:
    """A client's request that the process has not answered yet."""

    session: str
    request_id: Id
    """As the client wrote it."""
    method: str
    progress_token: Id | None = None
    """As the client wrote it; on the process's side the token is the call's number."""
    uri: str = ""
    """Of ``resources/subscribe`` and ``resources/unsubscribe``."""
    level: str = ""
    """Of ``logging/setLevel``, where it concerns the other clients too."""
    is_task: bool = False
    """Whether its answer names a task that was made."""
    wants_logs: bool = False
    """Whether it asked for log messages; for the era without sessions."""
    apart: bool = False
    """Whether all that the process says for it names it, once it began; for the era without sessions."""

    @property
    def key(self) -> CallKey:
        """The client's id with its type."""
        return call_key(self.request_id)


def progress_token(meta: Mapping[str, Any]) -> Id | None:
    """Under what a request wants to hear of its progress. What can be no token is the process's to judge."""
    token = meta.get("progressToken")
    return token if is_id(token) else None


class CallTable:
    """Calls by the number they have on the process's side.

    Parameters
    ----------
    numbers
        Tells numbers that no call of the same process ever had.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._calls: dict[int, Call] = {}
        self._of_session: dict[str, dict[CallKey, int]] = {}
        self._work: dict[str, int] = {}
        """Calls by session that the process may still work on, those of ended sessions included."""
        self._left: dict[int, str] = {}
        """Calls without an answer that nobody waits for, by the session that they were of."""
        self._unwanted: dict[int, float | None] = {}
        """The same calls, and when that was first looked at."""
        self._logging: dict[int, str] = {}
        """Sessions of the calls that asked for log messages, left ones included."""
        self._apart: set[str] = set()
        """Sessions whose one call is apart."""
        self._recent: dict[str, tuple[int, int]] = {}
        """Sessions that the process had to do with lately, with tick and step of that; the latest one last."""
        self._since: dict[str, int] = {}
        """Step since which a session has had work without a pause."""
        self._ticks = 0
        self._steps = 0
        """Grows with all that happens, to tell what came first."""

    def next_number(self) -> int:
        """Take a number for a request of our own."""
        return next(self._numbers)

    def add(self, call: Call) -> int:
        """Note a call; returns its number."""
        number = next(self._numbers)
        self._calls[number] = call
        self._of_session.setdefault(call.session, {})[call.key] = number
        self._work[call.session] = self._work.get(call.session, 0) + 1
        self._since.setdefault(call.session, self._step())
        if call.wants_logs:
            self._logging[number] = call.session
        if call.apart:
            self._apart.add(call.session)
            self.spoke(call.session)
        return number

    def find(self, number: object) -> Call | None:
        """Look a call up by its number."""
        return self._calls.get(number) if type(number) is int else None

    def number_of(self, session: str, request_id: object) -> int | None:
        """Look up the number of a session's own call."""
        return self._of_session.get(session, {}).get(call_key(request_id)) if is_id(request_id) else None

    def end(self, number: object) -> Call | None:
        """Forget a call that is answered; ``None`` when there is none of the number."""
        call = self._take(number)
        if call is not None and type(number) is int:
            self._work_done(number, call.session)
            self.spoke(call.session)
        return call

    def leave(self, number: int) -> Call | None:
        """Forget a call that nobody waits for any more, but for that the process may still work on it."""
        call = self._take(number)
        if call is not None:
            self._left[number] = call.session
            self._unwanted[number] = None
        return call

    def end_session(self, session: str) -> list[tuple[int, Call]]:
        """Leave all calls of a session."""
        self.spoke(session)
        numbers = list(self._of_session.get(session, {}).values())
        return [(number, call) for number in numbers if (call := self.leave(number)) is not None]

    def end_left(self, number: object) -> bool:
        """Note that the process answered a call that was left; returns whether it was one."""
        if type(number) is not int or (session := self._left.pop(number, None)) is None:
            return False
        self._work_done(number, session)
        self.spoke(session)
        return True

    def spoke(self, session: str) -> None:
        """Note that the process has to do with a session now, be it that it answered it or that it was told of it."""
        self._recent.pop(session, None)
        self._recent[session] = self._ticks, self._step()

    def _step(self) -> int:
        self._steps += 1
        return self._steps

    def tick(self, now: float, patience: float) -> None:
        """Take calls that were left for done after some seconds, and forget what was lately.

        A server need not answer what it was told to give up. Ticks come about once in a second.
        """
        for number, since in list(self._unwanted.items()):
            if since is None:
                self._unwanted[number] = now
            elif now - since >= patience:
                self._work_done(number, self._left.pop(number))
        self._ticks += 1
        for session, (tick, _) in list(self._recent.items()):
            if self._ticks - tick < _RECENT:
                break
            del self._recent[session]

    def open_elsewhere(self, method: str, uri: str, *, but: str) -> bool:
        """Whether a session other than ``but`` waits for the answer to a call about a resource."""
        return any(call.method == method and call.uri == uri and call.session != but for call in self._calls.values())

    def end_all(self) -> list[Call]:
        """Forget all calls."""
        calls = list(self._calls.values())
        self._calls.clear()
        self._of_session.clear()
        for table in (self._left, self._work, self._since, self._unwanted, self._logging, self._recent):
            table.clear()
        self._apart.clear()
        return calls

    def unanswered(self, session: str) -> int:
        """How many calls of a session the process may work on."""
        return self._work.get(session, 0)

    def sole_session(self) -> str | None:
        """The session that alone can have caused what the process says; ``None`` when there is none, or another one.

        It has calls that the process may work on. A call that was cancelled or left counts until it is answered or
        given up, also when its session is over: servers are free to go on with it, and to answer it or not.
        """
        session = next(iter(self._work), None)
        return None if session is None or len(self._work) != 1 or self.others_than(session) else session

    def sole_session_wanting_logs(self) -> str | None:
        """The session whose call alone can have caused a log message, and asked for such.

        Calls that are apart can have caused one only when they began, or ended, lately.
        """
        if len(self._logging) != 1:
            return None
        number, session = next(iter(self._logging.items()))
        return None if number not in self._calls or self.others_than(session, apart=False) else session

    def others_than(self, session: str, *, apart: bool = True) -> bool:
        """Whether the process may work on another session's call, or had to do with another one lately.

        What it had to do with before it was given the session's present work is over: servers that say something
        behind an answer say it before they read what they are asked next, or tell of nobody in particular.

        Parameters
        ----------
        apart
            Whether calls that are apart count for as long as they are open.
        """
        working = any(each != session and (apart or each not in self._apart) for each in self._work)
        since = self._since.get(session, 0)
        return working or any(
            each != session and (step > since or each in self._work) for each, (_, step) in self._recent.items()
        )

    def _take(self, number: object) -> Call | None:
        call = self._calls.pop(number, None) if type(number) is int else None
        if call is None:
            return None
        own, key = self._of_session.get(call.session, {}), call.key
        if own.get(key) == number:  # else the session used the id for another call meanwhile
            del own[key]
            if not own:
                del self._of_session[call.session]
        return call

    def _work_done(self, number: int, session: str) -> None:
        self._unwanted.pop(number, None)
        self._logging.pop(number, None)
        self._work[session] -= 1
        if not self._work[session]:
            del self._work[session]
            del self._since[session]
            self._apart.discard(session)
