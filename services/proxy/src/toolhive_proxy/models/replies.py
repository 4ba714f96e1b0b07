"""What a client is told when there is no answer."""

from dataclasses import dataclass

__all__ = ["Failure"]


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
