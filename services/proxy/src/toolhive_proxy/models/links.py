"""The interface between a client's session and the connection to its MCP server."""

from typing import Protocol

__all__ = ["Link", "Receiver"]


class Link(Protocol):
    """One session's way to an MCP server, whatever transport the server speaks."""

    async def send(self, data: bytes) -> None:
        """Send one JSON-RPC message.

        Raises
        ------
        ToolHiveError
            It did not reach the server; the message says why and what to do.
        """
        ...

    async def close(self) -> None:
        """End the session at the server's side. Never raises."""
        ...


class Receiver(Protocol):
    """What a link tells."""

    async def take(self, data: bytes) -> None:
        """Take one JSON-RPC message of the server's. Returning late slows the server's messages down."""
        ...

    def fail(self, reason: str) -> None:
        """Answer all open calls with an error: their answers will not come."""
        ...

    def lose(self, reason: str) -> None:
        """Fail, and end: the server does not know this session any more."""
        ...
