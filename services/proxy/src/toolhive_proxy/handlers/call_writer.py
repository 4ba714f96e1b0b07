"""Writes what comes for a call: an event stream, or a plain JSON answer where that is enough."""

from dataclasses import dataclass
from http import HTTPStatus

from toolhive_common.mcp.jsonrpc import Id, error_body
from toolhive_common.mcp.port import FromBroker, Note, RefusalCode
from toolhive_proxy.decisions.answers import error_code_of, timeout_failure
from toolhive_proxy.decisions.modern_rules import status_of
from toolhive_proxy.decisions.refusal import ENDED, failure_from
from toolhive_proxy.handlers.large_answers import LARGE, begin_large, write_rest
from toolhive_proxy.handlers.replying import failed_answer, refusal_answer
from toolhive_proxy.models.gates import ResultRewrite
from toolhive_proxy.models.http import Exchange, Header, Response
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import SESSION_ID, accepts_json, accepts_sse
from toolhive_proxy.protocol.results import rewritten
from toolhive_proxy.protocol.sse import KEEP_ALIVE, encode_event, encode_priming
from toolhive_proxy.services.inbox import Inbox

__all__ = ["STREAM_HEAD", "CallFacts", "CallWriter", "StreamTimes"]

_LARGEST_EVENT = 512 * 1024
"""Bytes. SDKs limit the size of an event (the Python one to 1 MiB) but not that of a JSON answer."""
STREAM_HEAD: list[Header] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_RETRY = 1000
"""Milliseconds that a client waits before it resumes."""


@dataclass(frozen=True)
class StreamTimes:
    """How long streams stay silent, in seconds."""

    patience: float = 60.0
    """Until a call without any sign of life is given up."""
    keep_alive: float = 30.0
    """Until a comment is sent, so that nothing on the way takes the connection for dead."""
    quick: float = 5.0
    """Until a stream that can be resumed is begun. An answer that comes sooner is sent whole, whatever its size."""


@dataclass(slots=True)  # not frozen, which would make each three times as dear; nobody changes one
class CallFacts:
    """What is known of a call before anything came for it."""

    request_id: Id | None
    name: str = ""
    """First part of its events' ids; empty for a stream that cannot be resumed."""
    primed: bool = False
    """Whether its client knows events without data (2025-11-25)."""
    modern: bool = False
    """Whether its errors have an HTTP status of their own (2026-07-28)."""
    session_id: str = ""
    """Told in the answer to ``initialize``."""
    rewrites: tuple[ResultRewrite, ...] = ()
    endless: bool = False
    """Whether it may stay silent for as long as it likes."""


class CallWriter:
    """Writes one call's answer. The head waits for the first message, so that an error can have its HTTP status."""

    def __init__(self, exchange: Exchange, inbox: Inbox, facts: CallFacts, times: StreamTimes) -> None:
        self._exchange = exchange
        self._inbox = inbox
        self._facts = facts
        self._times = times
        self._accept = exchange.request.header(b"accept")
        self._streams = accepts_sse(self._accept)
        self._rest = b""
        """What is left to write of a large answer."""

    async def run(self) -> None:
        """Write until the call is answered, fails, or is given up."""
        silent = 0.0
        while True:
            step = self._step(silent)
            try:
                item = await self._inbox.get(step)
            except TimeoutError:
                silent += step
                if silent < self._times.patience or self._facts.endless:
                    self._stay_alive()
                    continue
                self._inbox.unwanted = True
                self._fail(timeout_failure(self._times.patience))
                return
            silent = 0.0
            if self._write(item):
                if self._rest:
                    await write_rest(self._exchange, self._rest)
                return
            await self._exchange.drain()

    def _step(self, silent: float) -> float:
        if self._facts.name and self._streams and not self._exchange.started:
            return min(self._times.quick, self._times.patience - silent)
        if self._facts.endless:
            return self._times.keep_alive
        return min(self._times.keep_alive, self._times.patience - silent)

    def _stay_alive(self) -> None:
        if not self._streams:
            return
        if self._exchange.started:
            self._exchange.write(KEEP_ALIVE)
        elif self._facts.primed or not self._facts.name:
            self._start()
            self._exchange.write(KEEP_ALIVE)

    def _write(self, item: FromBroker) -> bool:
        """Write one item; tells whether it was the last."""
        match item.note:
            case Note.MESSAGE:
                self._start()
                self._exchange.write(self._event(item.data, item.number))
                return False
            case Note.STARTED:
                return False
            case Note.FINAL:
                self._answer(rewritten(item.data, self._facts.rewrites), item)
            case Note.REFUSED:
                self._fail(failure_from(item.code, item.data.decode(errors="replace")))
            case Note.DONE if self._exchange.started and self._can_come_again(item):
                self._break_off()
            case Note.DONE if item.code is not None:
                self._fail(failure_from(item.code, item.data.decode(errors="replace")))
            case Note.DONE:
                self._fail(ENDED)
        return True

    def _can_come_again(self, item: FromBroker) -> bool:
        """Whether its client shall fetch the answer over another connection."""
        return self._inbox.cut_off or (item.code is RefusalCode.EDGE_LOST and bool(self._facts.name))

    def _break_off(self) -> None:
        """End without an answer: it may still come, for a client that comes again."""
        if self._facts.endless:
            self._exchange.end()
        else:
            self._exchange.abort()

    def _answer(self, data: bytes, item: FromBroker) -> None:
        exchange = self._exchange
        if exchange.started:
            self._rest = self._event(data, item.number)
            return
        if item.code is not None:
            exchange.respond(failed_answer(item.code, data))
            return
        headers = [] if error_code_of(data) is not None else self._session()
        code = error_code_of(data) if self._facts.modern else None
        if code is not None and (status := status_of(code)) != HTTPStatus.OK:
            self._respond(json_answer(status, data, headers=headers))
        elif self._streams and (len(data) <= _LARGEST_EVENT or not accepts_json(self._accept)):
            body = self._priming() + self._event(data, item.number)
            self._respond(Response(HTTPStatus.OK, body, [*STREAM_HEAD, *headers]))
        else:
            self._respond(json_answer(HTTPStatus.OK, data, headers=headers))

    def _respond(self, response: Response) -> None:
        """Answer at once; of what is large only the head, since the client may read slowly."""
        if len(response.body) <= LARGE:
            self._exchange.respond(response)
        else:
            self._rest = begin_large(self._exchange, response)

    def _session(self) -> list[Header]:
        """The id of the session that the call opens, if it opens one."""
        return [(SESSION_ID, self._facts.session_id.encode())] if self._facts.session_id else []

    def _start(self) -> None:
        if self._exchange.started:
            return
        # Before it is known whether the session opens: a server may say something else first, or take its time.
        self._exchange.start(HTTPStatus.OK, [*STREAM_HEAD, *self._session()])
        self._exchange.write(self._priming())

    def _priming(self) -> bytes:
        """What lets a client resume before anything was said."""
        primed = self._facts.primed and self._facts.name
        return encode_priming(f"{self._facts.name}.0", retry=_RETRY) if primed else b""

    def _event(self, data: bytes, number: int) -> bytes:
        return encode_event(data, event_id=f"{self._facts.name}.{number}" if self._facts.name else None)

    def _fail(self, failure: Failure) -> None:
        if not self._exchange.started:
            self._exchange.respond(refusal_answer(failure, self._facts.request_id))
            return
        self._exchange.write(encode_event(error_body(self._facts.request_id, failure.code, failure.message)))
        self._exchange.end()
