"""The process: settings, logs, HTTP server, signals."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from pydantic import ValidationError

from toolhive_api.config import Settings
from toolhive_api.factory import open_parts
from toolhive_api.handlers.app import create_app
from toolhive_common.errors import ToolHiveError
from toolhive_common.observability.logs import configure_logging

__all__ = ["main"]

_log = structlog.get_logger(__name__)
_GRACE = 5
"""Seconds that requests may go on after SIGTERM. Work that takes longer goes on after the next start."""


class _Server(uvicorn.Server):
    """A server that leaves the signals to us: uvicorn would raise SIGTERM again before our own end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises
    ------
    StorageUnreachableError
        The database does not answer.
    """
    async with open_parts(settings) as parts:
        server = _Server(
            uvicorn.Config(
                create_app(parts, openapi=settings.openapi, allowed_hosts=settings.host_names),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )

        def end() -> None:
            _log.info("ending")
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        await server.serve()
    _log.info("ended")


def main() -> int:
    """Run the process; returns its exit code."""
    try:
        settings = Settings()
    except ValidationError as error:
        problems = "; ".join(f"TOOLHIVE_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        sys.stderr.write(f"the settings are wrong: {problems}\n")
        return 2
    configure_logging("api", level=settings.log_level)
    try:
        asyncio.run(serve(settings))
    except ToolHiveError as error:
        _log.error("cannot start", cause=error.message)  # a known cause needs no traceback
        return 1
    except ExceptionGroup as group:
        _log.exception("ended by an error", errors=len(group.exceptions))
        return 1
    return 0
