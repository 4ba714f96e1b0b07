"""Keeps a provider's keys: asked for when they are needed, anew when they rotate, and not more often than that."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from toolhive_proxy.errors import ProviderError
from toolhive_proxy.models.tokens import VerificationKey

__all__ = ["KeyStore", "KeyTimes"]

_log = structlog.get_logger(__name__)

FetchKeys = Callable[[], Awaitable[tuple[VerificationKey, ...]]]


@dataclass(frozen=True)
class KeyTimes:
    """How long keys are good, in seconds."""

    fresh: float = 600.0
    """Until they are asked for again."""
    stale: float = 3600.0
    """Until they are dropped, when the provider does not answer."""
    pause: float = 5.0
    """Between two requests to the provider, whatever clients send."""


class KeyStore:
    """The keys of one provider.

    Parameters
    ----------
    now
        Seconds of a clock.
    """

    def __init__(self, fetch: FetchKeys, now: Callable[[], float], times: KeyTimes | None = None) -> None:
        self._fetch = fetch
        self._now = now
        self._times = times or KeyTimes()
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetched = self._tried = -1e18
        self._lock = asyncio.Lock()

    @property
    def keys(self) -> tuple[VerificationKey, ...] | None:
        """The keys as last told; ``None`` when there are none, or they are too old."""
        return self._keys if self._now() - self._fetched < self._times.stale else None

    @property
    def is_fresh(self) -> bool:
        """Whether they need not be asked for."""
        return self._now() - self._fetched < self._times.fresh

    @property
    def may_fetch(self) -> bool:
        """Whether the provider may be asked now."""
        return self._now() - self._tried >= self._times.pause

    @property
    def retry_after(self) -> int:
        """Seconds after which it is worth another try."""
        return max(1, round(self._times.pause))

    async def fetch(self) -> None:
        """Ask for the keys. Whoever comes while somebody asks waits for what that one gets.

        A failure is logged, and the keys that are there stay.
        """
        async with self._lock:
            if not self.may_fetch:
                return
            try:
                self._keys = await self._fetch()
                self._fetched = self._now()
            except ProviderError as error:
                _log.warning("no keys from the identity provider", cause=error.message, kept=len(self.keys or ()))
            # Not when the caller was cancelled: those who wait behind it are to ask themselves.
            self._tried = self._now()
