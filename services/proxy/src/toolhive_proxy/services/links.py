"""Opens a session's way to its server, by the server's transport."""

from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.adapters.upstream_sse import SseLink
from toolhive_proxy.adapters.upstream_stdio import StdioLinks
from toolhive_proxy.models.links import Link, Receiver
from toolhive_proxy.models.routes import Route

__all__ = ["Links"]


class Links:
    """All transports that the proxy keeps sessions for.

    Parameters
    ----------
    max_message
        Largest message of a server in bytes.
    patience
        Seconds for a server to take a new session.
    """

    def __init__(self, stdio: StdioLinks, http: UpstreamHttp, *, max_message: int, patience: float) -> None:
        self._stdio = stdio
        self._http = http
        self._max_message = max_message
        self._patience = patience

    async def open(self, route: Route, session: str, receiver: Receiver) -> Link:
        """Connect a session.

        Raises
        ------
        ToolHiveError
            The server or NATS cannot be reached.
        """
        if route.transport is Transport.STDIO or route.origin is None:
            return await self._stdio.open(route.key, session, receiver)
        link = SseLink(self._http, route.origin, receiver, max_event=self._max_message, patience=self._patience)
        await link.open()
        return link
