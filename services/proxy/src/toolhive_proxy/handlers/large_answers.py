"""Answers that are written in pieces, each once the client has read most of those before.

Written at once, an answer lies in the connection's buffer until a slow client has read it, where nobody counts it.
"""

from toolhive_proxy.models.http import Exchange, Response

__all__ = ["LARGE", "begin_large", "write_rest"]

LARGE = 256 * 1024
"""Bytes. What is no larger is written at once: the buffer may hold as much."""
_PIECE = 64 * 1024


def begin_large(exchange: Exchange, response: Response) -> bytes:
    """Write the head of an answer; returns the body, for `write_rest`."""
    length = (b"content-length", b"%d" % len(response.body))
    exchange.start(response.status, [*response.headers, length])
    return response.body


async def write_rest(exchange: Exchange, data: bytes) -> None:
    """Write what is left of an answer, and end it.

    Raises
    ------
    ClientLeftError, SlowClientError
        Nobody is there to read it.
    """
    for start in range(0, len(data), _PIECE):
        exchange.write(data[start : start + _PIECE])
        await exchange.drain()
    exchange.end()
