"""Takes connections of those who may call at all, before anything is read from them."""

from collections.abc import Callable, Sequence

import structlog

from toolhive_proxy.decisions.neighbours import may_connect
from toolhive_proxy.models.links import ALL, Links, Network

__all__ = ["Doorkeeper"]

_log = structlog.get_logger(__name__)
_MOST_TOLD = 256
"""Addresses that a line of the log is written about."""


class Doorkeeper:
    """Knows who may connect.

    Parameters
    ----------
    allowed
        Networks whose hosts may, though they are neighbours.
    """

    def __init__(self, allowed: Sequence[Network], read_links: Callable[[], Links]) -> None:
        self._allowed = allowed
        self._read_links = read_links
        self._open = set(ALL) <= set(allowed)
        self._told: set[str] = set()

    def admits(self, peer: str) -> bool:
        """Whether a connection from an address is taken."""
        if self._open or may_connect(peer, self._read_links(), self._allowed):
            return True
        if peer not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(peer)
            _log.warning(
                "a neighbour's connections are refused: its network is not in TOOLHIVE_PROXY_NEIGHBOURS", peer=peer
            )
        return False
