"""Run the command line of this process."""

import gc
import sys

from toolhive_cli.main import run

__all__ = ["main"]


def main() -> int:
    """Run ``thv`` with the arguments of this process; the answer is its exit code."""
    # Imports make many objects that live to the end: looking through them for garbage takes a tenth of a short run.
    gc.set_threshold(50_000)
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
