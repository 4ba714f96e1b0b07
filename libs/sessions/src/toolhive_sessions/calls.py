"""Which session's request is which on the process's side."""

from collections.abc import Iterator
from dataclasses import dataclass

from toolhive_common.mcp.jsonrpc import Id, is_id
from toolhive_sessions.effects import CallKey, call_key

__all__ = ["Call", "CallTable"]


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
    is_task: bool = False
    """Whether its answer names a task that was made."""
    wants_logs: bool = False
    """Whether it asked for log messages; for the era without sessions."""
    cancelled: bool = False

    @property
    def key(self) -> CallKey:
        """The client's id with its type."""
        return call_key(self.request_id)


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
        """Calls without an answer whose session is over."""

    def next_number(self) -> int:
        """Take a number for a request of our own."""
        return next(self._numbers)

    def add(self, call: Call) -> int:
        """Note a call; returns its number."""
        number = next(self._numbers)
        self._calls[number] = call
        self._of_session.setdefault(call.session, {})[call.key] = number
        self._work[call.session] = self._work.get(call.session, 0) + 1
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
        if call is not None:
            self._work_done(call.session)
        return call

    def end_session(self, session: str) -> list[tuple[int, Call]]:
        """Forget all calls of a session, but for that the process may still work on them."""
        ended = []
        for number in list(self._of_session.get(session, {}).values()):
            if (call := self._take(number)) is not None:
                self._left[number] = session
                ended.append((number, call))
        return ended

    def end_left(self, number: object) -> bool:
        """Note that the process answered a call whose session is over; returns whether it was one."""
        session = self._left.pop(number, None) if type(number) is int else None
        if session is None:
            return False
        self._work_done(session)
        return True

    def open_elsewhere(self, method: str, uri: str, *, but: str) -> bool:
        """Whether a session other than ``but`` waits for the answer to a call about a resource."""
        return any(
            call.method == method and call.uri == uri and call.session != but and not call.cancelled
            for call in self._calls.values()
        )

    def end_all(self) -> list[Call]:
        """Forget all calls."""
        calls = list(self._calls.values())
        for table in (self._calls, self._of_session, self._left, self._work):
            table.clear()
        return calls

    def sole_session(self) -> str | None:
        """The session that alone has calls the process may work on; ``None`` when there is none, or more than one.

        A cancelled call counts until it is answered, also when its session is over: servers are free to go on. One
        that never answers what was cancelled leaves it open for ever; then too much is refused, never too little.
        """
        if len(self._work) != 1:
            return None
        session = next(iter(self._work))
        return session if session in self._of_session else None

    def sole_session_wanting_logs(self) -> str | None:
        """The session whose call alone asked for log messages."""
        found = [call.session for call in self._calls.values() if call.wants_logs]
        return found[0] if len(found) == 1 else None

    @property
    def idle(self) -> bool:
        """Whether the process works on nothing."""
        return not self._work

    def _take(self, number: object) -> Call | None:
        call = self._calls.pop(number, None) if type(number) is int else None
        if call is None:
            return None
        own = self._of_session[call.session]
        if own.get(call.key) == number:
            del own[call.key]
        if not own:
            del self._of_session[call.session]
        return call

    def _work_done(self, session: str) -> None:
        self._work[session] -= 1
        if not self._work[session]:
            del self._work[session]
