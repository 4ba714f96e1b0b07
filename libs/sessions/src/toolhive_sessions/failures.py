"""What callers are told in place of an answer that does not come, or that cannot be passed on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from toolhive_common.mcp.jsonrpc import Code, Id, error_body
from toolhive_common.mcp.port import RefusalCode
from toolhive_sessions.calls import Call, CallTable
from toolhive_sessions.effects import Dropped, MuxEffect, ToClient, call_key

__all__ = ["UNREADABLE", "Unusable", "answers_unusable", "given_up", "lost", "numbers_in", "over_limit"]

_ID_IN_LINE = re.compile(rb'"id"\s*:\s*(\d+)')


@dataclass(frozen=True)
class Unusable:
    """Why a line of a process is passed on to nobody."""

    line: str
    """For the log."""
    why: str
    """For the caller whom it answers."""


UNREADABLE = Unusable(
    "a line that cannot be read",
    "the server's answer cannot be read: it is no JSON-RPC response; see the server's log",
)


def over_limit(limit: int) -> Unusable:
    """Say that a line was dropped for its length."""
    why = f"the server's answer was longer than {limit // (1024 * 1024)} MiB and was dropped; ask for less"
    return Unusable("a line over the limit", why)


def numbers_in(head: bytes, tail: bytes) -> list[int]:
    """Ids that the ends of a line seem to hold."""
    return [int(found) for found in _ID_IN_LINE.findall(head + b"\n" + tail)]


def answers_unusable(calls: CallTable, numbers: Iterable[int], unusable: Unusable) -> list[MuxEffect]:
    """Tell the caller whom an unusable line answers, by the numbers that it seems to hold."""
    for number in numbers:
        if (call := calls.end(number)) is not None:
            return [_failed(call, unusable.why), Dropped(f"{unusable.line}; its caller was told")]
        if calls.end_left(number):
            break
    return [Dropped(f"{unusable.line} that answers no call")]


def given_up(calls: Iterable[Call]) -> list[MuxEffect]:
    """Answer calls that were cancelled, for a server that does not."""
    return [_failed(call, "the call was cancelled, and the server did not answer it") for call in calls]


def lost(waiting: Iterable[tuple[str, Id]], reason: str, code: RefusalCode) -> list[MuxEffect]:
    """Answer what waits for a process that ended, by sessions and their ids.

    Parameters
    ----------
    reason, code
        A sentence for the callers, and the kind of failure.
    """
    return [
        ToClient(session, error_body(each, Code.SERVER_ERROR, reason), call_key(each), final=True, failure=code)
        for session, each in waiting
    ]


def _failed(call: Call, why: str) -> ToClient:
    return ToClient(call.session, error_body(call.request_id, Code.SERVER_ERROR, why), call.key, final=True)
