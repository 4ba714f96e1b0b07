"""Connections to servers that speak HTTP: one for each session."""

from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.adapters.sse_peer import SsePeer
from toolhive_proxy.adapters.streamable_peer import StreamablePeer
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.errors import LinkBrokenError
from toolhive_proxy.models.routes import Route
from toolhive_sessions.host import Peer

__all__ = ["LinkLauncher"]


class LinkLauncher:
    """Implements `toolhive_sessions.host.Launcher`.

    Parameters
    ----------
    max_message
        Largest message of a server in bytes.
    patience
        Seconds for a server to take a new session.
    """

    def __init__(self, http: UpstreamHttp, route: Route, *, max_message: int, patience: float) -> None:
        self._http = http
        self._route = route
        self._max_message = max_message
        self._patience = patience

    async def start(self, slot: str) -> Peer:  # noqa: ARG002  # each connection is like the other
        """Connect.

        Raises
        ------
        ToolHiveError
            The server is out of reach, or speaks something else.
        """
        route = self._route
        if route.origin is None:
            raise LinkBrokenError("the server has no address")
        if route.transport is Transport.STREAMABLE_HTTP:
            return StreamablePeer(self._http, route.origin, "/mcp", [], max_message=self._max_message)
        peer = SsePeer(self._http, route.origin, "/sse", [], max_event=self._max_message, patience=self._patience)
        await peer.open()
        return peer

    async def stop(self, slot: str) -> None:
        """Nothing is left of a connection that was closed."""
