"""Whether something listens on a TCP port."""

import asyncio
from contextlib import suppress

__all__ = ["listens"]

_PATIENCE = 2.0


async def listens(address: str) -> bool:
    """Try to connect to ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
