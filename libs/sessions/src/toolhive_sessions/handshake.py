"""The ``initialize`` of one process: our own for a shared one, its client's where it has one client only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toolhive_common.mcp.eras import SUPPORTED_VERSIONS
from toolhive_common.mcp.jsonrpc import Id, Request, Response, encode, params_of, request_body, result_body
from toolhive_sessions.effects import Handshake, MuxEffect, ToClient, ToServer, call_key

__all__ = ["ALL_CAPABILITIES", "HandshakeDesk"]

ALL_CAPABILITIES: Mapping[str, Any] = {
    "sampling": {"tools": {}, "context": {}},
    "elicitation": {"form": {}, "url": {}},
    "roots": {"listChanged": True},
}
"""What a shared process is told that its client can do: whatever one of the clients may be able to do. A request that
the client in question cannot answer is answered for it."""

_OWN_PARAMS: Mapping[str, Any] = {
    "protocolVersion": SUPPORTED_VERSIONS[0],
    "capabilities": ALL_CAPABILITIES,
    "clientInfo": {"name": "toolhive", "version": "1"},
}
_INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


@dataclass
class _Asked:
    """An ``initialize`` is on its way to the process."""

    number: int
    params: Mapping[str, Any]
    waiting: list[tuple[str, Id, str]] = field(default_factory=list)
    """Session, id and asked version of clients whose own ``initialize`` gets the same answer."""


class HandshakeDesk:
    """Keeps the handshake of one process.

    Parameters
    ----------
    shared
        Whether the process has more than one client: then it is told what we can do, not what one of them can.
    done
        The handshake that the process is known to have had.
    """

    def __init__(self, *, shared: bool, done: Handshake | None) -> None:
        self.done = done
        self._shared = shared
        self._asked: _Asked | None = None

    def request(self, session: str, request: Request, number: int) -> list[MuxEffect]:
        """Take a client's ``initialize``: answer it, have it wait, or pass it on under the number."""
        asked_version = str(params_of(request).get("protocolVersion", ""))
        if self.done:
            return [self._answer(session, request.id, asked_version, self.done.result)]
        effects: list[MuxEffect] = []
        if self._asked is None:
            if self._shared:
                effects = self.begin(number)
            else:
                self._asked = _Asked(number, {})  # what its client said of itself is the process's alone
                effects = [ToServer(encode({**request.raw, "id": number}))]
        if self._asked is not None:
            self._asked.waiting.append((session, request.id, asked_version))
        return effects

    def begin(self, number: int) -> list[MuxEffect]:
        """Begin our own handshake, unless one is done or on its way."""
        if self.done or self._asked:
            return []
        self._asked = _Asked(number, _OWN_PARAMS)
        return [ToServer(request_body(number, "initialize", _OWN_PARAMS))]

    def awaits(self, number: Id) -> bool:
        """Whether a response with this id is the answer to ``initialize``."""
        return self._asked is not None and self._asked.number == number and type(number) is int

    def answered(self, response: Response) -> list[MuxEffect]:
        """Take the process's answer. After an error the next ``initialize`` is passed on anew."""
        asked, self._asked = self._asked, None
        if asked is None:
            return []
        if response.is_error:
            return [
                ToClient(session, encode({**response.raw, "id": request_id}), call_key(request_id), final=True)
                for session, request_id, _ in asked.waiting
            ]
        found = response.raw.get("result")
        result = found if isinstance(found, dict) else {}
        self.done = Handshake(asked.params, result, initialized=False)
        effects: list[MuxEffect] = self.ready() if self._shared else []
        return effects + [self._answer(*waiting, result) for waiting in asked.waiting]

    def ready(self) -> list[MuxEffect]:
        """Tell the process, once, that its client is ready."""
        if self.done is None or self.done.initialized:
            return []
        self.done = replace(self.done, initialized=True)
        return [ToServer(_INITIALIZED)]

    def forget_session(self, session: str) -> None:
        """Answer nothing to a session that is over."""
        if self._asked:
            self._asked.waiting[:] = [wait for wait in self._asked.waiting if wait[0] != session]

    def waiting(self) -> list[tuple[str, Id]]:
        """Clients whose ``initialize`` has no answer yet."""
        return [(session, request_id) for session, request_id, _ in self._asked.waiting] if self._asked else []

    def _answer(self, session: str, request_id: Id, asked_version: str, result: Mapping[str, Any]) -> ToClient:
        told = {**result, "protocolVersion": agreed_version(asked_version, str(result.get("protocolVersion", "")))}
        return ToClient(session, result_body(request_id, told), call_key(request_id), final=True)


def agreed_version(asked: str, spoken: str) -> str:
    """Version to agree on with a client, when the process speaks ``spoken``.

    A client of an earlier version gets its own: later versions only add to it.
    """
    if asked not in SUPPORTED_VERSIONS or spoken not in SUPPORTED_VERSIONS:
        return spoken
    return asked if SUPPORTED_VERSIONS.index(asked) > SUPPORTED_VERSIONS.index(spoken) else spoken
