"""How long to wait before a server that ended is started again."""

__all__ = ["SecondTries"]

_FIRST = 0.2
_LONGEST = 30.0
_WELL_AFTER = 10.0
"""Seconds after which a server counts as one that works: its end has a new cause."""


class SecondTries:
    """Doubles the pause for a server that ends again and again, up to a limit."""

    def __init__(self) -> None:
        self._pause = _FIRST

    def pause_after(self, ran: float) -> float:
        """Seconds to wait, when it ran for so many seconds."""
        if ran >= _WELL_AFTER:
            self._pause = _FIRST
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST)
        return pause
