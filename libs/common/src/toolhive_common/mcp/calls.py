"""Which session's request is which on the server's side."""

from collections.abc import Iterator
from dataclasses import dataclass

from toolhive_common.mcp.jsonrpc import Id

__all__ = ["Call", "CallTable"]


@dataclass
class Call:
    """A client's request that the server has not answered yet."""

    session: str
    request_id: Id
    """As the client wrote it."""
    method: str
    progress_token: Id | None = None
    """As the client wrote it; on the server's side the token is the call's number."""
    uri: str = ""
    """Of ``resources/subscribe`` and ``resources/unsubscribe``."""
    cancelled: bool = False


class CallTable:
    """Calls by the number they have on the server's side.

    Parameters
    ----------
    numbers
        Tells numbers that no call of the same process ever had.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._calls: dict[int, Call] = {}
        self._by_session: dict[str, dict[tuple[type, Id], int]] = {}
        self._left: set[int] = set()
        """Calls without an answer whose session is over."""

    def add(self, call: Call) -> int:
        """Note a call; returns its number."""
        number = next(self._numbers)
        self._calls[number] = call
        self._by_session.setdefault(call.session, {})[_typed(call.request_id)] = number
        return number

    def find(self, number: object) -> Call | None:
        """Look a call up by its number."""
        return self._calls.get(number) if type(number) is int else None

    def number_of(self, session: str, request_id: object) -> int | None:
        """Look up the number of a session's own call."""
        if not isinstance(request_id, (str, int, float)):
            return None
        return self._by_session.get(session, {}).get(_typed(request_id))

    def end(self, number: object) -> Call | None:
        """Forget a call that is answered; ``None`` when there is none of the number."""
        if type(number) is not int or (call := self._calls.pop(number, None)) is None:
            return None
        own = self._by_session.get(call.session, {})
        if own.get(_typed(call.request_id)) == number:
            del own[_typed(call.request_id)]
        if not own:
            self._by_session.pop(call.session, None)
        return call

    def end_session(self, session: str) -> Iterator[tuple[int, Call]]:
        """Forget all calls of a session, but for that the server may still work on them."""
        for number in [number for number, call in self._calls.items() if call.session == session]:
            if (call := self.end(number)) is not None:
                self._left.add(number)
                yield number, call

    def end_left(self, number: object) -> bool:
        """Note that the server answered a call whose session is over; returns whether it was one."""
        if type(number) is not int or number not in self._left:
            return False
        self._left.remove(number)
        return True

    def open(self, method: str, uri: str, *, but: str) -> bool:
        """Whether a session other than ``but`` waits for the answer to a call about a resource."""
        return any(
            call.method == method and call.uri == uri and call.session != but and not call.cancelled
            for call in self._calls.values()
        )

    def end_all(self) -> Iterator[Call]:
        """Forget all calls."""
        calls = list(self._calls.values())
        self._calls.clear()
        self._by_session.clear()
        self._left.clear()
        yield from calls

    def sole_session(self) -> str | None:
        """The session that alone has calls the server may work on; ``None`` when there is none, or more than one.

        A cancelled call counts until it is answered, also when its session is over: servers are free to go on. One
        that never answers what was cancelled leaves it open for ever; then too much is refused, never too little.
        """
        if self._left:
            return None
        waiting = {call.session for call in self._calls.values()}
        return waiting.pop() if len(waiting) == 1 else None


def _typed(request_id: Id) -> tuple[type, Id]:
    return type(request_id), request_id
