"""One ``initialize`` for each server process, however many clients share it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toolhive_common.mcp.effects import Dropped, Effect, ToClient, ToServer
from toolhive_common.mcp.eras import SUPPORTED_VERSIONS
from toolhive_common.mcp.jsonrpc import Id, Request, Response, encode, params_of, result_body

__all__ = ["Handshake", "HandshakeDesk"]

_OWN_PARAMS: Mapping[str, Any] = {
    "protocolVersion": SUPPORTED_VERSIONS[0],
    "capabilities": {},
    "clientInfo": {"name": "toolhive", "version": "1"},
}
"""For a client that calls without having begun a session, as ToolHive lets it."""
_INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


@dataclass(frozen=True)
class Handshake:
    """What a process and its first client agreed on."""

    params: Mapping[str, Any]
    """What the first client said of itself."""
    result: Mapping[str, Any]
    """What the server answered."""
    initialized: bool
    """Whether the server was told that the client is ready."""


@dataclass
class _Asked:
    """An ``initialize`` is on its way to the server."""

    wire_id: int
    params: Mapping[str, Any]
    own: bool
    """We began it ourselves, for calls that came without one."""
    waiting: list[tuple[str, Id]] = field(default_factory=list)
    """Clients whose own ``initialize`` gets the same answer."""


class HandshakeDesk:
    """Keeps the handshake of one process.

    Parameters
    ----------
    done
        The handshake that the process is known to have had.
    earlier
        Parameters of a handshake with an earlier process of the same server: used to begin anew for clients that
        go on calling.
    """

    def __init__(self, done: Handshake | None, earlier: Mapping[str, Any] | None) -> None:
        self.done = done
        self._params = done.params if done else (earlier or _OWN_PARAMS)
        self._asked: _Asked | None = None

    @property
    def last_params(self) -> Mapping[str, Any]:
        """What the latest client to begin a handshake said of itself."""
        return self._params

    def request(self, session: str, request: Request, wire_id: int) -> list[Effect]:
        """Take a client's ``initialize``: answer it, have it wait, or pass it on under ``wire_id``."""
        if self.done:
            return [ToClient(session, result_body(request.id, self.done.result))]
        if self._asked:
            self._asked.waiting.append((session, request.id))
            return []
        self._asked = _Asked(wire_id, params_of(request), own=False, waiting=[(session, request.id)])
        return [ToServer(encode({**request.raw, "id": wire_id}))]

    def begin(self, wire_id: int) -> list[Effect]:
        """Begin a handshake for calls that came without one; nothing when one is on its way."""
        if self.done or self._asked:
            return []
        self._asked = _Asked(wire_id, self._params, own=True)
        body = {"jsonrpc": "2.0", "id": wire_id, "method": "initialize", "params": self._params}
        return [ToServer(encode(body))]

    def awaits(self, wire_id: Id) -> bool:
        """Whether a response with this id is the server's answer to ``initialize``."""
        return self._asked is not None and self._asked.wire_id == wire_id

    def answered(self, response: Response) -> list[Effect]:
        """Take the server's answer.

        After an error the next ``initialize`` is passed on anew.
        """
        asked, self._asked = self._asked, None
        if asked is None:
            return []
        effects: list[Effect] = [
            ToClient(session, encode({**response.raw, "id": request_id})) for session, request_id in asked.waiting
        ]
        if response.is_error:
            return effects
        result = response.raw.get("result")
        self._params = asked.params
        self.done = Handshake(asked.params, result if isinstance(result, dict) else {}, initialized=asked.own)
        if asked.own:
            effects.insert(0, ToServer(_INITIALIZED))
        return effects

    def initialized(self, data: bytes) -> list[Effect]:
        """Take a client's ``notifications/initialized``; only the first one is passed on."""
        if self.done is None:
            return [Dropped("notifications/initialized before initialize")]
        if self.done.initialized:
            return []
        self.done = replace(self.done, initialized=True)
        return [ToServer(data)]

    def ensure_initialized(self) -> list[Effect]:
        """Tell the server that its clients are ready, where the first one called without saying so."""
        return self.initialized(_INITIALIZED) if self.done else []

    def forget_session(self, session: str) -> None:
        """Answer nothing to a session that is over."""
        if self._asked:
            self._asked.waiting[:] = [wait for wait in self._asked.waiting if wait[0] != session]

    def waiting(self) -> list[tuple[str, Id]]:
        """Clients whose ``initialize`` has no answer yet."""
        return list(self._asked.waiting) if self._asked else []
