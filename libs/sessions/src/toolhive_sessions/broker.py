"""The sessions of one workload: who is there, which process serves whom, and where each message goes.

    handle           what an edge asks                   ─┐
    from_process     a line of a process                  │
    process_started, process_exited, too_long             ├─> effects, see `effects.BrokerEffect`
    edge_gone, tick, end_all                             ─┘

Time is given, in seconds of any steady clock.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, assert_type

from toolhive_common.mcp.eras import refuse_modern
from toolhive_common.mcp.jsonrpc import Invalid, Notification, Request, Response, classify, parse
from toolhive_common.mcp.port import FromBroker, Note, RefusalCode, ToBroker, Verb
from toolhive_sessions.bounds import part_too_long
from toolhive_sessions.effects import (
    BrokerEffect,
    CallKey,
    Dropped,
    Handshake,
    MuxEffect,
    NotModern,
    SessionChanged,
    SessionClosed,
    SessionOpened,
    ToClient,
    ToEdge,
    ToServer,
    call_key,
)
from toolhive_sessions.facts import SessionFacts, is_kept_name, kept_name
from toolhive_sessions.failures import UNREADABLE, over_limit
from toolhive_sessions.legacy import LegacyMultiplexer
from toolhive_sessions.modern import ModernMultiplexer
from toolhive_sessions.pool import Pool
from toolhive_sessions.records import MAIN, Kind, Policy, Process, Session, expired, makes_room
from toolhive_sessions.streams import Stream, newest_open

__all__ = ["Broker"]

_UNKNOWN = "Session not found"
_CROWDED = "the server does not read what it is sent; try again in a moment"
_UNASKED = "the server spoke before it was asked anything"
_CUT_OFF = "the proxy was cut off from the server for a while, and the answer cannot be told any more; try again"
_NO_REQUEST = "the message is no JSON-RPC request"
_ANSWERS = frozenset({"method", "result", "error"})
"""One of which every message has. What has none, and calls itself no message, is what servers log."""
_LOOKED_AT = 4096
"""Bytes at each end of a line that cannot be read, where the id of the call that it answers is looked for."""
_CHANGES_FACTS = frozenset({"logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
_NUMBER = re.compile(r"[0-9]{1,15}")
_BUSY = "the session has {limit} calls that are not answered, which is the limit; wait for answers, or cancel calls"
_FULL = (
    "the workload has {limit} open sessions, which is the limit; try again later, or end sessions that are not needed"
)


class Broker:
    """Keeps all sessions of one workload.

    Parameters
    ----------
    numbers
        Given to calls, see `LegacyMultiplexer`.
    crowded
        Whether too much waits for the process of a slot to read. It is sent no client's messages then, but for what
        the end of something asks for.
    """

    def __init__(
        self, policy: Policy, numbers: Iterator[int], *, crowded: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._policy = policy
        self._crowded = crowded
        self._pool = Pool(policy, numbers)
        self._sessions: dict[str, Session] = {}
        self._clients = 0
        """Sessions of clients."""
        self._asleep: set[str] = set()
        """Restored sessions that were not heard of since, by the names they were kept under."""
        self._awake: dict[str, str] = {}
        """Ids of the restored sessions that were, by these names: whoever keeps facts may know no other."""
        self._at: dict[tuple[str, int], tuple[Session, Stream]] = {}
        """What an edge's stream is."""
        self._verbs: dict[Verb, Callable[[str, ToBroker, float], list[BrokerEffect]]] = {
            Verb.OPEN: self._open,
            Verb.ATTACH: self._open,
            Verb.CALL: self._call,
            Verb.CALL_ONCE: self._call_alone,
            Verb.CALL_MODERN: self._call_alone,
            Verb.TELL: self._tell,
            Verb.LISTEN: self._listen,
            Verb.LEAVE: self._leave,
            Verb.END: self._end,
        }

    def __len__(self) -> int:
        """Sessions of clients."""
        return self._clients

    @property
    def processes(self) -> Iterable[Process]:
        """All processes that are used."""
        return self._pool.processes

    # -- edges ----------------------------------------------------------------------------------------------------

    def handle(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        """Do what an edge asks."""
        return self._verbs[message.verb](edge, message, now)

    def _open(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        request = _request_in(message.data) if message.verb is Verb.OPEN else None
        if isinstance(request, Request) and request.method != "initialize":
            request = "a session begins with an initialize request"
        if isinstance(request, str):
            return [_refuse(edge, message, RefusalCode.NO_REQUEST, request)]
        if message.session in self._sessions or is_kept_name(message.session):
            return [_refuse(edge, message, RefusalCode.ID_IN_USE, "there is a session of this id; take another")]
        effects = self._make_room(now)
        if self._clients >= self._policy.max_sessions:
            text = _FULL.format(limit=self._policy.max_sessions)
            return [*effects, _refuse(edge, message, RefusalCode.SESSIONS_FULL, text)]
        chosen = self._pool.for_session(message.session, now)
        if isinstance(chosen, Process) and message.verb is Verb.OPEN and self._crowded(chosen.slot):
            chosen = _CROWDED
        if not isinstance(chosen, Process):
            return [*effects, _refuse(edge, message, RefusalCode.SERVER_UNAVAILABLE, chosen)]
        session = Session(message.session, Kind.CLIENT, chosen.slot, now)
        self._sessions[session.id] = session
        self._clients += 1
        # Now, not with its first request: until then the process could be taken for the other era.
        self._pool.mux_of(chosen, modern=False, now=now)
        effects += self._pool.started(chosen)
        if isinstance(request, Request):
            return effects + self._request(session, chosen, edge, message, request, now)
        stream = Stream(
            f"{edge}.{message.stream}", edge, message.stream, takes_many=True, began_at=now, resumes=False
        )
        session.listener, session.sole = stream, True
        self._at[edge, message.stream] = (session, stream)
        return [*effects, ToEdge(edge, FromBroker(Note.STARTED, message.stream))]

    def _of_client(self, session: str) -> Session | None:
        """A client's session. The others have ids that can be guessed, and are nobody's to name."""
        found = self._sessions.get(session)
        if found is None:
            return self._awoken(session) if self._asleep else None
        return found if found.kind is Kind.CLIENT and session not in self._asleep else None

    def _awoken(self, session: str) -> Session | None:
        """A restored session, whose client is heard of again. The name under which it was kept lets nobody in."""
        name = kept_name(session)
        if is_kept_name(session) or name not in self._asleep:
            return None
        self._asleep.remove(name)
        found = self._sessions.pop(name)
        found.id = self._awake[name] = session
        self._sessions[session] = found
        process = self._pool.find(found.slot)
        for mux in (process.mux, process.earlier) if process else ():
            if isinstance(mux, LegacyMultiplexer):
                mux.rename(name, session)
        return found

    def _call(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        session = self._of_client(message.session)
        if session is None:
            return [_refuse(edge, message, RefusalCode.UNKNOWN_SESSION, _UNKNOWN)]
        session.last_used = now
        request = _request_in(message.data)
        if not isinstance(request, Request):
            return [_refuse(edge, message, RefusalCode.NO_REQUEST, request)]
        if (why := self._no_place(session, request)) is not None:
            return [_refuse(edge, message, *why)]
        process = self._pool.serving(session.slot, now)
        if not isinstance(process, Process):
            return [_refuse(edge, message, RefusalCode.SERVER_UNAVAILABLE, process)]
        if self._crowded(process.slot):
            return [_refuse(edge, message, RefusalCode.SERVER_UNAVAILABLE, _CROWDED)]
        return self._pool.started(process) + self._request(session, process, edge, message, request, now)

    def _no_place(self, session: Session, request: Request) -> tuple[RefusalCode, str] | None:
        """Why a session has no place for a request among its open calls."""
        if call_key(request.id) in session.calls:
            shown = repr(request.id)[:100]
            text = f"the id {shown} is in use by a call of this session that is not answered yet; take another"
            return RefusalCode.ID_IN_USE, text
        if len(session.calls) >= self._policy.max_calls:
            return RefusalCode.CALLS_FULL, _BUSY.format(limit=self._policy.max_calls)
        return None

    def _call_alone(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        """Serve one request with a session made for it."""
        request = _request_in(message.data)
        if not isinstance(request, Request):
            return [_refuse(edge, message, RefusalCode.NO_REQUEST, request)]
        kind = Kind.MODERN if message.verb is Verb.CALL_MODERN else Kind.ONCE
        if kind is Kind.MODERN and not self._pool.knows_modern:
            return [ToEdge(edge, FromBroker(Note.FINAL, message.stream, refuse_modern(request), 1))]
        session_id = f"{kind.name.lower()}.{edge}.{message.stream}"
        process = self._pool.for_modern(now) if kind is Kind.MODERN else self._pool.for_once(session_id, now)
        if not isinstance(process, Process):
            return [_refuse(edge, message, RefusalCode.SERVER_UNAVAILABLE, process)]
        if self._crowded(process.slot):
            return [_refuse(edge, message, RefusalCode.SERVER_UNAVAILABLE, _CROWDED)]
        session = self._sessions[session_id] = Session(session_id, kind, process.slot, now)
        return self._pool.started(process) + self._request(session, process, edge, message, request, now)

    def _request(
        self, session: Session, process: Process, edge: str, message: ToBroker, request: Request, now: float
    ) -> list[BrokerEffect]:
        key = call_key(request.id)
        effects: list[BrokerEffect] = []
        if session.sole and session.listener is not None:
            session.calls[key] = session.listener
            effects.append(ToEdge(edge, FromBroker(Note.DONE, message.stream)))
        else:
            name = f"{edge}.{message.stream}"
            resumes = session.kind is Kind.CLIENT
            stream = Stream(name, edge, message.stream, message.streams, began_at=now, resumes=resumes)
            session.calls[key] = stream
            self._at[edge, message.stream] = (session, stream)
        if request.method == "initialize" and session.kind is Kind.CLIENT:
            session.opening = key
        elif request.method in _CHANGES_FACTS:
            session.noted.add(key)
        mux = self._pool.mux_of(process, modern=session.kind is Kind.MODERN, now=now)
        return effects + self._carry(process, mux.request(session.id, request), now)

    def _tell(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        session = self._of_client(message.session)
        if session is None:
            return [_refuse(edge, message, RefusalCode.UNKNOWN_SESSION, _UNKNOWN)]
        session.last_used = now
        if self._crowded(session.slot):
            return [_refuse(edge, message, RefusalCode.SERVER_UNAVAILABLE, _CROWDED)]
        done: list[BrokerEffect] = [ToEdge(edge, FromBroker(Note.DONE, message.stream))]
        process = self._pool.find(session.slot)
        if process is None or not isinstance(process.mux, LegacyMultiplexer):
            return [*done, Dropped("a message to a process that is not there")]
        match _read(message.data):
            case Notification() as notification:
                return done + self._carry(process, process.mux.notification(session.id, notification), now)
            case Response() as response:
                return done + self._carry(process, process.mux.response(session.id, response), now)
            case _:
                return [*done, Dropped("a client's message that is neither notification nor answer")]

    def _listen(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        session = self._of_client(message.session)
        if session is None:
            return [_refuse(edge, message, RefusalCode.UNKNOWN_SESSION, _UNKNOWN)]
        session.last_used = now
        name, _, number = message.after.rpartition(".")
        if name and _NUMBER.fullmatch(number):
            stream = self._named(session, name)
            if stream is None:
                text = "what came behind that event is not kept any more; make the request again"
                return [_refuse(edge, message, RefusalCode.NOTHING_TO_RESUME, text)]
            return self._resume(session, stream, edge, message.stream, after=int(number))
        if session.listener is None:
            session.listener = Stream("", "", 0, takes_many=True, began_at=now)
        if not session.sole:  # its further events have ids of this edge's stream, also those that waited
            session.listener.name = f"{edge}.{message.stream}"
        return self._resume(session, session.listener, edge, message.stream, after=session.listener.sent)

    def _named(self, session: Session, name: str) -> Stream | None:
        streams = [*session.calls.values(), *([session.listener] if session.listener else [])]
        return next((stream for stream in streams if stream.name == name), session.shelf.past.get(name))

    def _resume(self, session: Session, stream: Stream, edge: str, number: int, *, after: int) -> list[BrokerEffect]:
        effects: list[BrokerEffect] = []
        if stream.attached:  # a client that comes again has lost the earlier connection
            self._at.pop((stream.edge, stream.number), None)
            effects.append(ToEdge(stream.edge, FromBroker(Note.DONE, stream.number)))
        stream.move(edge, number)
        self._at[edge, number] = (session, stream)
        effects.append(ToEdge(edge, FromBroker(Note.STARTED, number, stream.name.encode())))
        for count, data in stream.after(after):
            last = stream.ended_at is not None and count == stream.count
            effects.append(ToEdge(edge, FromBroker(Note.FINAL if last else Note.MESSAGE, number, data, count)))
        stream.sent = stream.count
        if stream.ended_at is not None:
            if not _is_final(effects[-1]):
                effects.append(ToEdge(edge, FromBroker(Note.DONE, number)))
            self._at.pop((edge, number), None)
            stream.detach()
        return effects

    def _leave(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        found = self._at.pop((edge, message.stream), None)
        if found is None:
            return []
        session, stream = found
        session.last_used = now
        stream.detach()
        if session.sole:
            return self._close(session, "its client left", now)
        key = next((key for key, each in session.calls.items() if each is stream), None)
        if key is not None and key == session.opening and not session.opened:  # nobody knows its id
            return self._close(session, "its client left before it began", now)
        if key is None or not (message.cancel or session.kind is not Kind.CLIENT):
            return []
        del session.calls[key]
        session.noted.discard(key)
        session.shelf.drop(stream)
        effects: list[BrokerEffect] = []
        process = self._pool.find(session.slot)
        if process is not None and process.mux is not None:
            effects = self._carry(process, process.mux.end_call(session.id, key), now)
        return effects + self._drop_alone(session, now)

    def _end(self, edge: str, message: ToBroker, now: float) -> list[BrokerEffect]:
        session = self._of_client(message.session)
        if session is None:
            return [_refuse(edge, message, RefusalCode.UNKNOWN_SESSION, _UNKNOWN)]
        done = ToEdge(edge, FromBroker(Note.DONE, message.stream))
        return [*self._close(session, "its client ended it", now), done]

    def edge_gone(self, edge: str, now: float) -> list[BrokerEffect]:
        """Take all clients of an edge for gone. What their sessions were asked goes on: they may come again.

        It is told so, in case that it was cut off only: nothing comes for these streams any more, and its clients
        would wait for ever.
        """
        effects: list[BrokerEffect] = []
        for number in [number for each, number in self._at if each == edge]:
            if (edge, number) not in self._at:  # it was told of the end of its session
                continue
            told = FromBroker(Note.DONE, number, _CUT_OFF.encode(), code=RefusalCode.EDGE_LOST)
            effects.append(ToEdge(edge, told))
            effects += self._leave(edge, ToBroker(Verb.LEAVE, number), now)
        return effects

    # -- processes ------------------------------------------------------------------------------------------------

    def process_started(self, slot: str, now: float, *, known: Handshake | None = None) -> list[BrokerEffect]:
        """Note that a process runs.

        Parameters
        ----------
        known
            What is known of a process that ran before.
        """
        process, effects = self._pool.note_started(slot, now, known)
        return self._carry(process, effects, now) + self._pool.flush(process)

    def process_exited(
        self, slot: str, reason: str, now: float, *, code: RefusalCode = RefusalCode.SERVER_LOST
    ) -> list[BrokerEffect]:
        """Fail what waits for a process that ended, or that could not be started.

        Parameters
        ----------
        reason, code
            A sentence for the callers, and the kind of failure.
        """
        process = self._pool.find(slot)
        if process is None:
            return []
        process.running = process.starting = False  # first: nobody is asked to end it
        effects = self._carry(process, process.mux.exited(reason, code) if process.mux else [], now)
        self._pool.note_exited(process)
        for session in [each for each in self._sessions.values() if each.slot == slot]:
            if process.session or session.kind is not Kind.CLIENT:
                effects += self._close(session, "its process ended", now)
        return effects

    def from_process(self, slot: str, line: bytes, now: float) -> list[BrokerEffect]:
        """Take one line of a process, without its end."""
        process = self._pool.find(slot)
        if process is None or not line.strip():
            return []
        if process.mux is None:
            return [Dropped(_UNASKED)]
        try:
            value = parse(line)
        except ValueError:
            return self._carry(process, _unreadable(process.mux, line), now)
        if isinstance(value, dict) and "jsonrpc" in value and _ANSWERS.isdisjoint(value):
            return self._carry(process, _unreadable(process.mux, line), now)
        if isinstance(value, list):  # a batch, which servers of 2025-03-26 may write
            return [each for part in value for each in self._said(process, part, now)]
        return self._said(process, value, now)

    def _said(self, process: Process, value: Any, now: float) -> list[BrokerEffect]:
        """Take one message of a process, which may have said no to an era, and be unasked again, just before."""
        if process.mux is None:
            return [Dropped(_UNASKED)]
        return self._carry(process, process.mux.from_server(value), now)

    def too_long(self, slot: str, head: bytes, tail: bytes, *, limit: int, now: float) -> list[BrokerEffect]:
        """Take the ends of a line that was over the limit of bytes."""
        process = self._pool.find(slot)
        if process is None or process.mux is None:
            return []
        return self._carry(process, process.mux.unusable(head, tail, over_limit(limit)), now)

    # -- time -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[BrokerEffect]:
        """Do what time asks for: end what nobody uses, forget what nobody came for."""
        effects: list[BrokerEffect] = []
        for session in expired(self._sessions.values(), now=now, ttl=self._policy.ttl):
            effects += self._close(session, "the session was not used for too long", now)
        for session in self._sessions.values():
            if session.shelf.past:
                session.shelf.tick(now)
        for process, said in (*self._pool.silent(now), *self._pool.over(now)):
            effects += self._carry(process, said, now)
        return effects + self._pool.reap(now, used={session.slot for session in self._sessions.values()})

    def end_all(self, reason: str, now: float) -> list[BrokerEffect]:
        """End every session, and every process that was started on demand."""
        effects: list[BrokerEffect] = []
        for session in list(self._sessions.values()):
            effects += self._close(session, reason, now)
        return effects + self._pool.stop_all()

    # -- outliving the broker -------------------------------------------------------------------------------------

    def kept(self) -> list[str]:
        """Sessions that another broker of the same process could go on with."""
        return [session.id for session in self._sessions.values() if _outlasts(session)]

    def facts(self, session: str) -> SessionFacts | None:
        """What has to be kept of a session so that another broker can `restore` it; ``None`` when none can.

        A session may also be given by the name under which it was kept, whether its client was heard of or not.
        """
        found = self._sessions.get(self._awake.get(session, session))
        mux = self._pool.legacy_of(MAIN)
        return mux.facts(found.id) if found is not None and mux is not None and _outlasts(found) else None

    def restore(self, facts: Iterable[SessionFacts], now: float) -> None:
        """Go on with sessions of an earlier broker. Comes before `process_started`, and before all else."""
        if self._pool.each_its_own:
            return
        for each in facts:
            if not is_kept_name(each.name) or self._clients >= self._policy.max_sessions:
                continue
            session = Session(each.name, Kind.CLIENT, MAIN, now, opened=True, client=each.client)
            self._sessions[session.id] = session
            self._asleep.add(session.id)
            self._clients += 1
            self._pool.restore(each)

    def rest(self, now: float) -> list[BrokerEffect]:
        """End all that another broker cannot go on with: the other sessions, and every process started on demand."""
        effects: list[BrokerEffect] = []
        for session in list(self._sessions.values()):
            if not _outlasts(session):
                effects += self._close(session, "the keeper of its process ended", now)
        return effects + self._pool.stop_all()

    # -- carrying out ---------------------------------------------------------------------------------------------

    def _carry(self, process: Process, effects: Iterable[MuxEffect], now: float) -> list[BrokerEffect]:
        out: list[BrokerEffect] = []
        for effect in effects:
            if isinstance(effect, ToServer):
                out += self._pool.send(process, effect.data)
            elif isinstance(effect, ToClient):
                out += self._to_client(effect, now)
            elif isinstance(effect, Dropped):
                out.append(effect)
            else:
                assert_type(effect, NotModern)
                out += self._pool.is_legacy(process)
        return out + self._pool.shaken(process)

    def _to_client(self, effect: ToClient, now: float) -> list[BrokerEffect]:
        session = self._sessions.get(effect.session)
        if session is None:
            return []
        if effect.final and effect.call is not None:
            return self._answer(session, effect.call, effect, now)
        stream = session.calls.get(effect.call) if effect.call is not None else None
        if stream is None or not stream.takes_many:
            of_call = effect.call is not None
            stream = self._elsewhere(session, now, progress=of_call, to_listener=effect.to_listener)
        if stream is None:
            return [Dropped("nobody takes more than the answer")]
        return self._send(session, stream, effect.data, now, final=False)

    def _elsewhere(self, session: Session, now: float, *, progress: bool, to_listener: bool) -> Stream | None:
        """The way of a message that belongs to no call, or to one that takes its answer only."""
        if session.kind is not Kind.CLIENT:
            return newest_open(session.calls.values())
        listener = session.listener
        if to_listener and listener is not None and listener.attached:
            return listener
        newest = None if progress else newest_open(session.calls.values())
        if newest is not None or (progress and (listener is None or not listener.attached)):
            return newest
        if listener is None:
            listener = session.listener = Stream("", "", 0, takes_many=True, began_at=now)
        return listener

    def _answer(self, session: Session, key: CallKey, answer: ToClient, now: float) -> list[BrokerEffect]:
        stream = session.calls.pop(key, None)
        effects: list[BrokerEffect] = []
        if stream is not None:
            effects = self._send(session, stream, answer.data, now, final=not session.sole, failure=answer.failure)
        session.last_used = now
        if key == session.opening:
            session.opening = None
            effects += self._opened(session, answer.data, now)
        elif key in session.noted:
            session.noted.discard(key)
            effects.append(SessionChanged(session.id))
        return effects + self._drop_alone(session, now)

    def _opened(self, session: Session, data: bytes, now: float) -> list[BrokerEffect]:
        message = _read(data)
        if isinstance(message, Response) and message.is_error:
            return [] if session.sole else self._close(session, "the handshake failed", now)
        if session.opened:
            return []
        process = self._pool.find(session.slot)
        client = process.mux.client(session.id) if process and isinstance(process.mux, LegacyMultiplexer) else None
        session.opened, session.client = True, client.name if client else ""
        return [SessionOpened(session.id, session.client), SessionChanged(session.id)]

    def _send(
        self,
        session: Session,
        stream: Stream,
        data: bytes,
        now: float,
        *,
        final: bool,
        failure: RefusalCode | None = None,
    ) -> list[BrokerEffect]:
        count = stream.add(data, session.shelf, final=final, now=now)
        if final and stream.resumable(now):
            session.shelf.end(stream)
        if not stream.attached:
            return []
        stream.sent = count
        edge, number = stream.edge, stream.number
        if final:
            self._at.pop((edge, number), None)
            stream.detach()
        return [ToEdge(edge, FromBroker(Note.FINAL if final else Note.MESSAGE, number, data, count, failure))]

    def _make_room(self, now: float) -> list[BrokerEffect]:
        if self._clients < self._policy.max_sessions and not (self._pool.each_its_own and self._pool.full):
            return []
        leaving = makes_room(self._sessions.values(), now=now, spared=self._policy.spared)
        return self._close(leaving, "it made room for another session", now) if leaving else []

    def _drop_alone(self, session: Session, now: float) -> list[BrokerEffect]:
        """Forget a session that was made for one request."""
        if session.kind is Kind.CLIENT or session.calls:
            return []
        self._sessions.pop(session.id, None)
        process = self._pool.find(session.slot)
        if process is None or process.mux is None:
            return []
        if process.session == session.id:
            return self._pool.stop(process)
        return self._carry(process, process.mux.session_ended(session.id), now)

    def _close(self, session: Session, reason: str, now: float) -> list[BrokerEffect]:
        """End a session for whatever reason."""
        if self._sessions.pop(session.id, None) is None:
            return []
        self._asleep.discard(session.id)
        if self._awake:
            self._awake.pop(kept_name(session.id), None)
        self._clients -= session.kind is Kind.CLIENT
        effects: list[BrokerEffect] = []
        for stream in {id(each): each for each in (*session.calls.values(), session.listener) if each}.values():
            if stream.attached:
                self._at.pop((stream.edge, stream.number), None)
                effects.append(ToEdge(stream.edge, FromBroker(Note.DONE, stream.number)))
        process = self._pool.find(session.slot)
        if process is not None:
            self._pool.forget_session(process, session.id)
            if process.session == session.id:
                effects += self._pool.stop(process)
            elif process.mux is not None:
                effects += self._carry(process, process.mux.session_ended(session.id), now)
        if session.opened:
            effects.append(SessionClosed(session.id, session.client, reason))
        return effects


def _read(data: bytes) -> Request | Notification | Response | Invalid | None:
    try:
        return classify(parse(data))
    except ValueError:
        return None


def _request_in(data: bytes) -> Request | str:
    """The request that an edge passes on, or why it is none that can be served."""
    message = _read(data)
    if not isinstance(message, Request):
        return _NO_REQUEST
    return part_too_long(message) or message


def _unreadable(mux: LegacyMultiplexer | ModernMultiplexer, line: bytes) -> list[MuxEffect]:
    """Fail the call that a line seems to answer. Lines that begin otherwise are what servers print for people."""
    if line.lstrip().startswith(b"{"):
        return mux.unusable(line[:_LOOKED_AT], line[_LOOKED_AT:][-_LOOKED_AT:], UNREADABLE)
    return [Dropped(f"a line of {len(line)} bytes on standard output is no JSON")]


def _outlasts(session: Session) -> bool:
    """Whether a session does not end with its broker: its process is shared, and no connection stands for it."""
    return session.kind is Kind.CLIENT and session.slot == MAIN and session.opened and not session.sole


def _is_final(effect: BrokerEffect) -> bool:
    return isinstance(effect, ToEdge) and effect.message.note is Note.FINAL


def _refuse(edge: str, message: ToBroker, code: RefusalCode, text: str) -> ToEdge:
    data = text.encode(errors="replace")  # an id may hold what no encoding has
    return ToEdge(edge, FromBroker(Note.REFUSED, message.stream, data, code=code))
