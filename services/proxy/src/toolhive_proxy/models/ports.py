"""The interface between the proxy's handlers and whoever keeps a workload's sessions."""

from typing import Protocol

from toolhive_common.mcp.port import ToBroker

__all__ = ["Port"]


class Port(Protocol):
    """The way to one workload's sessions, wherever they are kept."""

    @property
    def edge(self) -> str:
        """What this proxy is called there; the first part of its streams' names."""
        ...

    async def submit(self, message: ToBroker) -> None:
        """Ask for something. What comes of it is put into the inbox of the message's stream.

        Raises
        ------
        ToolHiveError
            It did not reach the keeper; the message says why and what to do.
        """
        ...
