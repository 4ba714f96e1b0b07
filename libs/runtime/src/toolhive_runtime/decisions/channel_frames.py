"""The messages of an attached pod, read and written: one byte that names a channel, then what the channel carries."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["SUBPROTOCOLS", "Ended", "Output", "input_messages", "read_message"]

SUBPROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""What is offered to a cluster, the newest first. They differ in how a client closes a channel, which we never do."""
_STDIN, _STDOUT, _ERROR, _CLOSE = 0, 1, 3, 255
_LONGEST = 32 * 1024
"""Bytes of input in one message; some servers take no more at once."""


@dataclass(frozen=True)
class Output:
    """Bytes of standard output."""

    data: bytes


@dataclass(frozen=True)
class Ended:
    """The streams are over."""

    reason: str
    """Why, in the cluster's words; empty when nothing went wrong."""


def read_message(message: bytes | str) -> Output | Ended | None:
    """Say what a message of the cluster means; ``None`` for what concerns nobody here, such as standard error."""
    data = message.encode() if isinstance(message, str) else message
    if not data:
        return None
    channel, rest = data[0], data[1:]
    if channel == _STDOUT:
        return Output(rest) if rest else None  # an empty one is how a cluster opens each channel
    if channel == _ERROR:
        return Ended(_problem(rest)) if rest else None
    if channel == _CLOSE and rest == bytes([_STDOUT]):
        return Ended("")
    return None


def input_messages(data: bytes) -> Iterator[bytes]:
    """Cut bytes for standard input into messages."""
    for start in range(0, len(data), _LONGEST):
        yield bytes([_STDIN]) + data[start : start + _LONGEST]


def _problem(text: bytes) -> str:
    """Read the status that ends an attachment. One that is none is told as it is: it was meant for people."""
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        return text.decode(errors="replace").strip()
    if status.get("status") == "Success":
        return ""
    return str(status.get("message") or status.get("reason") or "the cluster gave no reason")
