"""Connections to servers that speak HTTP: one for each session."""

from collections.abc import Callable

from toolhive_common.errors import ToolHiveError
from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.adapters.sse_peer import SsePeer
from toolhive_proxy.adapters.streamable_peer import StreamablePeer
from toolhive_proxy.decisions.fronts import server_path
from toolhive_proxy.errors import LinkBrokenError, UpstreamError
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import HttpClient
from toolhive_proxy.services.callers import credentials_here
from toolhive_sessions.host import Peer

__all__ = ["LinkLauncher"]


class LinkLauncher:
    """Implements `toolhive_sessions.host.Launcher`.

    Parameters
    ----------
    headers
        What the workload sets on each request, in place of the caller's headers of the same names.
    max_message
        Largest message of a server in bytes.
    patience
        Seconds for a server to take a new session.
    count_failure
        Counts a server that is out of reach, by what is the trouble.
    """

    def __init__(
        self,
        http: HttpClient,
        route: Route,
        headers: tuple[Header, ...],
        *,
        max_message: int,
        patience: float,
        count_failure: Callable[[str], None],
    ) -> None:
        self._http = http
        self._route = route
        self._headers = headers
        self._max_message = max_message
        self._patience = patience
        self._count_failure = count_failure

    async def start(self, slot: str) -> Peer:  # noqa: ARG002  # each connection is like the other
        """Connect, with the credentials that the session's caller has at the time of each request.

        Raises
        ------
        ToolHiveError
            The server is out of reach, or speaks something else.
        """
        route = self._route
        if route.origin is None:
            raise LinkBrokenError("the server has no address")
        own, credentials = {name for name, _ in self._headers}, credentials_here()

        def headers() -> list[Header]:
            return [*(header for header in credentials.headers if header[0] not in own), *self._headers]

        path = server_path(route, "", "")
        if route.transport is Transport.STREAMABLE_HTTP:
            return StreamablePeer(self._http, route.origin, path, headers, max_message=self._max_message)
        peer = SsePeer(self._http, route.origin, path, headers, max_event=self._max_message, patience=self._patience)
        try:
            await peer.open()
        except ToolHiveError as error:
            self._count_failure(error.trouble.value if isinstance(error, UpstreamError) else "malformed")
            raise
        return peer

    async def stop(self, slot: str) -> None:
        """Nothing is left of a connection that was closed."""
