"""Which answers may stay silent for as long as they like."""

from toolhive_proxy.models.messages import Batch, Message

__all__ = ["LISTEN", "is_endless"]

LISTEN = "subscriptions/listen"
"""How clients of 2026-07-28 ask for what belongs to no call."""


def is_endless(http_method: str, message: Message | Batch | None) -> bool:
    """Whether the answer to a request is a stream that tells what happens, if anything does."""
    return http_method == "GET" or (isinstance(message, Message) and message.method == LISTEN)
