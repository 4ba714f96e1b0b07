"""Requests to servers that run elsewhere: redirects are followed where that is safe, and their cookies stay away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.adapters.upstream_reader import ResponseReader
from toolhive_proxy.decisions.redirects import Follow, Refuse, judge_redirect
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import ResponseHead, ResponseSink, Sending, UpstreamRequest, UpstreamTrouble

__all__ = ["RemoteHttp"]

_COOKIE = b"set-cookie"
_LOCATION = b"location"


class RemoteHttp:
    """Implements `models.upstream.HttpClient`.

    Parameters
    ----------
    http
        Does the single request.
    """

    def __init__(self, http: UpstreamHttp) -> None:
        self._http = http

    def send(self, origin: Origin, request: UpstreamRequest, sink: ResponseSink) -> Sending:
        """Send a request; the sink is told what comes of it in the end."""
        following = _Following(self._http, origin, request, sink)
        following.go()
        return following

    @asynccontextmanager
    async def request(self, origin: Origin, request: UpstreamRequest) -> AsyncIterator[ResponseReader]:
        """Send a request, see `UpstreamHttp.request`."""
        reader = ResponseReader()
        sending = self.send(origin, request, reader)
        reader.hold(sending)
        try:
            await reader.until_head()
            yield reader
        finally:
            sending.cancel()


class _Following:
    """One request, over all its redirects: a `ResponseSink` before another, and a `Sending`."""

    __slots__ = ("_dropped", "_followed", "_http", "_origin", "_paused", "_request", "_sending", "_sink")

    def __init__(self, http: UpstreamHttp, origin: Origin, request: UpstreamRequest, sink: ResponseSink) -> None:
        self._http = http
        self._origin = origin
        self._request = request
        self._sink = sink
        self._followed = 0
        self._sending: Sending | None = None
        self._paused = False
        self._dropped = False

    def go(self) -> None:
        """Send it."""
        self._sending = self._http.send(self._origin, self._request, self)
        if self._paused:
            self._sending.pause()

    def on_response(self, head: ResponseHead, data: bytes, *, ended: bool) -> None:
        """Hand on the answer, or go where it points to."""
        location = next((value for name, value in head.headers if name == _LOCATION), b"")
        verdict = judge_redirect(
            self._origin, self._request.target, head.status, location.decode("latin-1"), followed=self._followed
        )
        if verdict is None:
            headers = tuple(header for header in head.headers if header[0] != _COOKIE)
            self._sink.on_response(replace(head, headers=headers), data, ended=ended)
            return
        if not ended and self._sending is not None:
            self._sending.cancel()  # the rest of this answer says nothing
        if isinstance(verdict, Refuse):
            self.on_failure(UpstreamError(UpstreamTrouble.REDIRECTS, verdict.reason))
        else:
            self._follow(verdict)

    def _follow(self, verdict: Follow) -> None:
        self._followed += 1
        self._origin = verdict.origin
        self._request = replace(self._request, target=verdict.path)
        self.go()

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Hand on the next piece."""
        self._sink.on_data(data, ended=ended)

    def on_failure(self, error: ToolHiveError) -> None:
        """Tell it on."""
        if not self._dropped:
            self._sink.on_failure(error)

    def pause(self) -> None:
        """Read nothing of the response for now."""
        self._paused = True
        if self._sending is not None:
            self._sending.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if self._sending is not None:
            self._sending.resume()

    def cancel(self) -> None:
        """Drop it."""
        self._dropped = True
        if self._sending is not None:
            self._sending.cancel()
