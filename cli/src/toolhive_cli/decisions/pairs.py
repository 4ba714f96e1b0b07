"""``KEY=VALUE`` texts of flags and files."""

from collections.abc import Iterable

from toolhive_cli.errors import InvalidFlagError

__all__ = ["parse_env_file", "parse_pairs"]


def parse_pairs(flag: str, texts: Iterable[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` texts; a later one wins.

    Raises
    ------
    InvalidFlagError
    """
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InvalidFlagError(flag, f"{text!r} is not KEY=VALUE")
        pairs[key.strip()] = value
    return pairs


def parse_env_file(path: str, text: str) -> dict[str, str]:
    """Read ``KEY=VALUE`` lines; blank lines, comments, ``export`` and quotes around a value are passed over.

    Raises
    ------
    InvalidFlagError
        Names the line, never its content: it may be a secret.
    """
    pairs = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise InvalidFlagError("--env-file", f"line {number} of {path} is not KEY=VALUE")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        pairs[key.strip()] = value[1:-1] if quoted else value
    return pairs
