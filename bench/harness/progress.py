"""What a person sees while the benchmark runs."""

import sys
import time

__all__ = ["say"]

_BEGUN = time.monotonic()


def say(text: str) -> None:
    """Print one line with the time since the start, on stderr: stdout is for the result."""
    print(f"{time.monotonic() - _BEGUN:6.0f} s  {text}", file=sys.stderr, flush=True)
