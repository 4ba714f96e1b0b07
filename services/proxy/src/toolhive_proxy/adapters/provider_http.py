"""Asks identity providers over HTTP: one request a connection, small answers, no redirects.

A name is resolved first and its addresses are looked at, then the connection goes to that very address: a name that
changes its mind in between leads nowhere.
"""

import asyncio
import base64
import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolhive_proxy.errors import ProviderError
from toolhive_proxy.protocol.provider_urls import ProviderUrl, is_public, parse_provider_url

__all__ = ["ProviderAnswer", "ProviderHttp", "ProviderLimits"]


@dataclass(frozen=True)
class ProviderLimits:
    """How much a provider may take."""

    patience: float = 10.0
    """Seconds for a whole request."""
    max_size: int = 1024 * 1024
    """Bytes of an answer."""


@dataclass(frozen=True)
class ProviderAnswer:
    """What it said."""

    status: int
    body: bytes


class ProviderHttp:
    """One way to one provider.

    Parameters
    ----------
    token_file
        Token that it asks for; read anew each time, because it is rotated.
    """

    def __init__(
        self,
        *,
        allow_http: bool,
        allow_private: bool,
        ca_file: str = "",
        token_file: str = "",
        limits: ProviderLimits | None = None,
    ) -> None:
        self._allow_http = allow_http
        self._allow_private = allow_private
        self._ca_file = ca_file
        self._token_file = token_file
        self._limits = limits or ProviderLimits()
        self._tls: ssl.SSLContext | None = None

    async def get(self, url: str) -> ProviderAnswer:
        """Ask for a document.

        Raises
        ------
        ProviderError
            It may not be asked, cannot be reached, or says too much.
        """
        return await self._ask(url, "GET", b"", {})

    async def post(self, url: str, form: bytes, *, user: str = "", password: str = "") -> ProviderAnswer:
        """Send a form.

        Raises
        ------
        ProviderError
            As for `get`.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if user and password:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return await self._ask(url, "POST", form, headers)

    async def _ask(self, url: str, method: str, body: bytes, headers: Mapping[str, str]) -> ProviderAnswer:
        try:
            place = parse_provider_url(url, allow_http=self._allow_http)
            async with asyncio.timeout(self._limits.patience):
                return await self._exchange(place, _request(place, method, body, self._token() | dict(headers)))
        except TimeoutError as error:
            raise ProviderError(url, f"it said nothing whole within {self._limits.patience:g} s") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ProviderError(url, str(error) or type(error).__name__) from error

    def _token(self) -> dict[str, str]:
        if not self._token_file:
            return {}
        return {"Authorization": f"Bearer {Path(self._token_file).read_text(encoding='utf-8').strip()}"}

    async def _exchange(self, place: ProviderUrl, request: bytes) -> ProviderAnswer:
        reader, writer = await self._connect(place)
        try:
            writer.write(request)
            await writer.drain()
            return await _read_answer(reader, self._limits.max_size)
        finally:
            writer.close()

    async def _connect(self, place: ProviderUrl) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [address for address in addresses if self._allow_private or is_public(address)]
        if not allowed:
            raise ValueError("its address is private; set AllowPrivateIP when it is meant to be")
        tls = self._context() if place.is_secure else None
        last: OSError | None = None
        for address in allowed:
            try:
                return await asyncio.open_connection(
                    address, place.port, ssl=tls, server_hostname=place.host if tls else None
                )
            except OSError as error:
                last = error
        raise last or OSError("no address")

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._ca_file:
                self._tls.load_verify_locations(self._ca_file)
        return self._tls


def _request(place: ProviderUrl, method: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"{method} {place.target} HTTP/1.1",
        f"Host: {place.authority}",
        "User-Agent: ToolHive",
        "Accept: application/json",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _read_answer(reader: asyncio.StreamReader, max_size: int) -> ProviderAnswer:
    """Read until the answer is whole; most providers close the connection then, as they are asked to."""
    received = b""
    while True:
        data = await reader.read(65536)
        received += data
        if len(received) > max_size:
            raise ValueError(f"its answer is larger than {max_size} bytes")
        if b"\r\n\r\n" in received or not data:
            answer = _parse_answer(received, ended=not data)
            if answer is not None:
                return answer


class _Received:
    """Stands for the socket that the parser reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parse_answer(received: bytes, *, ended: bool) -> ProviderAnswer | None:
    """Parse what came so far; ``None`` when there is more to come."""
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]  # it needs no more of a socket
    try:
        response.begin()
        if response.length is None and not response.chunked and not ended:
            return None  # only the end of the connection ends it
        return ProviderAnswer(response.status, response.read())
    except http.client.IncompleteRead:
        if ended:
            raise
        return None
