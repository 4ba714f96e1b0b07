"""Which session's request is which on the process's side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolhive_common.mcp.jsonrpc import Id, is_id
from toolhive_sessions.effects import CallKey, call_key

__all__ = ["Call", "CallTable", "progress_token"]


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

    def next_number(self) -> int:
        """Take a number for a request of our own."""
        return next(self._numbers)

    def add(self, call: Call) -> int:
        """Note a call; returns its number."""
        number = next(self._numbers)
        self._calls[number] = call
        self._of_session.setdefault(call.session, {})[call.key] = number
        self._work[call.session] = self._work.get(call.session, 0) + 1
        if call.wants_logs:
            self._logging[number] = call.session
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
        numbers = list(self._of_session.get(session, {}).values())
        return [(number, call) for number in numbers if (call := self.leave(number)) is not None]

    def end_left(self, number: object) -> bool:
        """Note that the process answered a call that was left; returns whether it was one."""
        if type(number) is not int or (session := self._left.pop(number, None)) is None:
            return False
        self._work_done(number, session)
        return True

    def give_up(self, now: float, patience: float) -> None:
        """Take what was cancelled for done after some seconds: a server need not answer it."""
        for number, since in list(self._unwanted.items()):
            if since is None:
                self._unwanted[number] = now
            elif now - since >= patience:
                self.end_left(number)

    def open_elsewhere(self, method: str, uri: str, *, but: str) -> bool:
        """Whether a session other than ``but`` waits for the answer to a call about a resource."""
        return any(call.method == method and call.uri == uri and call.session != but for call in self._calls.values())

    def end_all(self) -> list[Call]:
        """Forget all calls."""
        calls = list(self._calls.values())
        for table in (self._calls, self._of_session, self._left, self._work, self._unwanted, self._logging):
            table.clear()
        return calls

    def unanswered(self, session: str) -> int:
        """How many calls of a session the process may work on."""
        return self._work.get(session, 0)

    def sole_session(self) -> str | None:
        """The session that alone has calls the process may work on; ``None`` when there is none, or more than one.

        A cancelled call counts until it is answered or given up, also when its session is over: servers are free to
        go on with it, and to answer it or not.
        """
        return next(iter(self._work)) if len(self._work) == 1 else None

    def sole_session_wanting_logs(self) -> str | None:
        """The session whose call alone asked for log messages."""
        if len(self._logging) != 1:
            return None
        number, session = next(iter(self._logging.items()))
        return session if number in self._calls else None

    @property
    def idle(self) -> bool:
        """Whether the process works on nothing."""
        return not self._work

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
