"""``run.py request|response|sse [libFuzzer's options]`` looks for bytes that break what `targets` promises.

What it finds is kept in the corpus, which a test replays. Needs atheris, which has wheels for a few versions of
Python only and is therefore not part of the lock: `make fuzz` installs it beside everything else.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["toolhive_proxy"]):
    from targets import TARGETS


def main() -> None:
    """Fuzz one target."""
    name, *options = sys.argv[1:]
    corpus = Path(__file__).parent / "corpus" / name
    target = TARGETS[name]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
