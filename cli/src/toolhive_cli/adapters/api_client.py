"""HTTP to the API: the one door to httpx. Turns everything that can go wrong into a sentence."""

import ipaddress
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Self

# httpx imports its own command line on import, and with it rich and pygments: 50 ms that each thv command would
# wait for. It does without when that fails, as it does where those are not installed.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402  # see above

from toolhive_cli.errors import ApiRefusedError, ApiUnreachableError, UnexpectedAnswerError  # noqa: E402

__all__ = ["API_PREFIX", "LONG_READ", "QUIET_READ", "ApiClient", "ApiResponse", "is_loopback", "open_client"]

API_PREFIX = "/api/v1beta"
_FIRST_ERROR_STATUS = 400
_SHORT = httpx.Timeout(30, connect=5)
LONG_READ = httpx.Timeout(30, connect=5, read=15 * 60)
"""Making a workload takes up to ten minutes on the API's side."""

QUIET_READ = httpx.Timeout(30, connect=5, read=60)
"""A stream of events may be quiet for a while; the API gives a sign of life every 15 seconds or so."""

ApiResponse = httpx.Response


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_client(url: str, timeout: httpx.Timeout = _SHORT) -> httpx.AsyncClient:
    """Make an HTTP client for one address.

    Plain HTTP needs no certificates, and reading them takes 20 ms. A proxy of the environment is never right for
    an address on this machine.
    """
    verify: ssl.SSLContext | bool = ssl.create_default_context() if url.startswith("https:") else False
    return httpx.AsyncClient(timeout=timeout, verify=verify, trust_env=not is_loopback(url))


class ApiClient:
    """Requests to one API.

    Parameters
    ----------
    url
        Address of the API, without ``/api/v1beta``.
    tell
        Is given one line for each request and each answer, for ``--debug``.
    """

    def __init__(self, url: str, tell: Callable[[str], None]) -> None:
        self.url = url.rstrip("/")
        self._tell = tell
        with self._translated():
            if httpx.URL(self.url).scheme not in {"http", "https"} or not httpx.URL(self.url).host:
                raise ApiUnreachableError(url, "this is no address such as http://127.0.0.1:8080")
            self._http = open_client(self.url)

    async def __aenter__(self) -> Self:
        """Hand out the client."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        """Ask once, and give the answer's body.

        Raises
        ------
        ApiUnreachableError, ApiRefusedError
        """
        async with self.open(method, path, params=params, body=body) as response:
            with self._translated():
                return await response.aread()

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limits: httpx.Timeout = _SHORT,
    ) -> AsyncIterator[httpx.Response]:
        """Ask, and give the answer while it comes in. Its status is below 400.

        Raises
        ------
        ApiUnreachableError, ApiRefusedError
        """
        sent = {"Content-Type": "application/json"} if body is not None else {}
        request = self._http.build_request(
            method,
            f"{self.url}{API_PREFIX}{path}",
            params=params,
            content=body,
            headers={**sent, **(headers or {})},
            timeout=limits,
        )
        self._tell(f"{method} {request.url}")
        with self._translated():
            response = await self._http.send(request, stream=True)
        try:
            self._tell(f"{response.status_code} {response.reason_phrase} {response.headers.get('content-type', '')}")
            if response.status_code >= _FIRST_ERROR_STATUS:
                with self._translated():
                    await response.aread()
                raise ApiRefusedError(response.status_code, _reason(response))
            yield response
        finally:
            await response.aclose()

    async def lines(self, response: httpx.Response) -> AsyncIterator[str]:
        """Give the lines of an answer while they come in.

        Raises
        ------
        ApiUnreachableError
            The connection broke.
        """
        with self._translated():
            async for line in response.aiter_lines():
                yield line

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.InvalidURL as error:
            raise ApiUnreachableError(self.url, f"this is no address ({error})") from error
        except httpx.ConnectError as error:
            raise ApiUnreachableError(self.url, _plain(error)) from error
        except httpx.TimeoutException as error:
            raise ApiUnreachableError(self.url, "it did not answer in time") from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise UnexpectedAnswerError(self.url, str(error) or type(error).__name__) from error
        except httpx.RequestError as error:
            raise ApiUnreachableError(self.url, f"the connection broke ({_plain(error)})") from error


def _plain(error: Exception) -> str:
    """Say a connection's problem without httpx's words for it."""
    text = str(error)
    if "All connection attempts failed" in text or "Connection refused" in text:
        return "nothing listens there (connection refused)"
    return text or type(error).__name__


def _reason(response: httpx.Response) -> str:
    """Find the sentence for the user in an error's body: plain text, or FastAPI's ``detail``."""
    if "json" not in response.headers.get("content-type", ""):
        return "" if "html" in response.headers.get("content-type", "") else response.text
    try:
        found = response.json()
    except ValueError:
        return response.text
    if isinstance(found, dict):
        return str(found.get("message") or found.get("detail") or response.text)
    return response.text
