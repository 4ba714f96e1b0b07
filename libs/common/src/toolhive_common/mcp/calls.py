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
        own = self._by_session[call.session]
        if own.get(_typed(call.request_id)) == number:
            del own[_typed(call.request_id)]
        if not own:
            del self._by_session[call.session]
        return call

    def end_session(self, session: str) -> Iterator[tuple[int, Call]]:
        """Forget all calls of a session."""
        for number in [number for number, call in self._calls.items() if call.session == session]:
            if (call := self.end(number)) is not None:
                yield number, call

    def end_all(self) -> Iterator[Call]:
        """Forget all calls."""
        calls = list(self._calls.values())
        self._calls.clear()
        self._by_session.clear()
        yield from calls

    def sole_session(self) -> str | None:
        """The session that alone waits for answers; ``None`` when there is none, or more than one."""
        waiting = {
            session
            for session, own in self._by_session.items()
            if any(not self._calls[number].cancelled for number in own.values())
        }
        return waiting.pop() if len(waiting) == 1 else None


def _typed(request_id: Id) -> tuple[type, Id]:
    return type(request_id), request_id
