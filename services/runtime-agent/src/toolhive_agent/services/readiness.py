"""Whether a server that was started is there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from toolhive_agent.adapters.tcp import listens
from toolhive_agent.models.commands import AwaitReady

__all__ = ["Readiness", "ReadinessSettings"]


@dataclass(frozen=True)
class ReadinessSettings:
    """How long to wait for what."""

    startup_grace: timedelta = timedelta(seconds=1)
    """A stdio server that lives this long is taken to be there: it says nothing before it is asked."""
    patience: timedelta = timedelta(minutes=5)
    """After this an HTTP server that does not listen is called unhealthy."""
    pause: timedelta = timedelta(milliseconds=250)


class Readiness:
    """Waits for servers."""

    def __init__(self, settings: ReadinessSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now

    async def wait(self, command: AwaitReady, on_deaf: Callable[[], None]) -> None:
        """Return once the server is there. Whoever notices its end cancels this.

        Parameters
        ----------
        on_deaf
            Told once when the patience is over; waiting goes on, for it may still come.
        """
        if not command.address:
            await asyncio.sleep(self._settings.startup_grace.total_seconds())
            return
        deadline = self._now() + self._settings.patience
        told = False
        while not await listens(command.address):
            if not told and self._now() > deadline:
                told = True
                on_deaf()
            await asyncio.sleep((self._settings.pause * (20 if told else 1)).total_seconds())
