"""Who wants to hear of which resource."""

__all__ = ["Subscriptions"]


class Subscriptions:
    """Sessions by the resource they subscribed to. The server knows one subscriber only: us."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, None]] = {}

    def add(self, session: str, uri: str) -> None:
        """Note a subscription."""
        self._sessions.setdefault(uri, {})[session] = None

    def all(self) -> list[str]:
        """All resources that somebody wants to hear of."""
        return list(self._sessions)

    def held(self, uri: str) -> bool:
        """Whether the server already tells us of the resource."""
        return uri in self._sessions

    def is_last(self, session: str, uri: str) -> bool:
        """Whether nobody but the session wants to hear of the resource."""
        return not self._sessions.get(uri, {}).keys() - {session}

    def remove(self, session: str, uri: str) -> None:
        """Forget one subscription."""
        sessions = self._sessions.get(uri, {})
        sessions.pop(session, None)
        if not sessions:
            self._sessions.pop(uri, None)

    def remove_session(self, session: str) -> list[str]:
        """Forget a session; returns the resources that nobody wants any more."""
        mine = [uri for uri, sessions in self._sessions.items() if session in sessions]
        for uri in mine:
            self.remove(session, uri)
        return [uri for uri in mine if uri not in self._sessions]

    def of(self, session: str) -> list[str]:
        """Resources that a session subscribed to."""
        return [uri for uri, sessions in self._sessions.items() if session in sessions]

    def rename(self, before: str, after: str) -> None:
        """Call a session by another name."""
        for uri in self.of(before):
            self._sessions[uri][after] = self._sessions[uri].pop(before)

    def wanting(self, uri: str) -> list[str]:
        """Sessions to tell of a change; a subscription covers what lies below its resource."""
        found: dict[str, None] = {}
        for subscribed, sessions in self._sessions.items():
            if uri == subscribed or uri.startswith(subscribed.rstrip("/") + "/"):
                found |= sessions
        return list(found)
