"""Run the command line of this process."""

import sys

from toolhive_cli.main import run

__all__ = ["main"]


def main() -> int:
    """Run ``thv`` with the arguments of this process; the answer is its exit code."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
