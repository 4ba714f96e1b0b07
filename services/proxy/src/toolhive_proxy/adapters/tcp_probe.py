"""Whether something listens on an address."""

import asyncio

__all__ = ["listens"]

_PATIENCE = 2.0
"""Seconds for an answer; an address in a container's network answers at once, or not at all."""


async def listens(host: str, port: int) -> bool:
    """Try to connect, and say nothing."""
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # a TimeoutError is one as well
        return False
    writer.close()
    return True
