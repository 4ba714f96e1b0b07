"""What a client's open stream is given."""

from dataclasses import dataclass

__all__ = ["Failure", "Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One JSON-RPC message of the server's."""

    data: bytes
    final: bool
    """Whether it is the answer, after which nothing follows."""
    is_error: bool = False
    """Whether it is an answer that tells an error."""


@dataclass(frozen=True, slots=True)
class Failure:
    """There will be no answer."""

    status: int
    """HTTP status, where the head of the response is not sent yet."""
    code: int
    """JSON-RPC error code."""
    message: str
    retry_after: int | None = None
    """Seconds after which it is worth another try, where that can be said."""
