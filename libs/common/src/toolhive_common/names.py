"""Rules for the names that users give, and for the names made from what they run."""

import re

from toolhive_common.errors import ErrorCode, ToolHiveError

__all__ = ["InvalidNameError", "check_workload_name", "default_workload_name", "sanitize_workload_name"]

_WORKLOAD_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9._-]")
_MIN_LENGTH = 2
_MAX_LENGTH = 100

PACKAGE_SCHEMES = ("uvx://", "npx://", "go://")
"""Schemes of packages that are built into an image before they run."""


class InvalidNameError(ToolHiveError):
    """A workload cannot be called that."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            ErrorCode.INVALID_NAME,
            f"invalid workload name {name[:120]!r}: {problem}; use {_MIN_LENGTH} to {_MAX_LENGTH} letters, digits, "
            "dots, underscores and dashes, such as 'my-server'",
        )


def check_workload_name(name: str) -> None:
    """Refuse a name that could not be a file, a container or a NATS subject.

    Raises
    ------
    InvalidNameError
        Says which rule is broken.
    """
    if not name:
        raise InvalidNameError(name, "it is empty")
    if len(name) > _MAX_LENGTH:
        raise InvalidNameError(name, f"it has {len(name)} characters")
    if not _WORKLOAD_NAME.fullmatch(name):
        raise InvalidNameError(name, "it has characters that are not allowed")
    if ".." in name or name == ".":
        raise InvalidNameError(name, "it would leave its folder")
    if len(name) < _MIN_LENGTH:
        raise InvalidNameError(name, "container engines want at least two characters")
    if not name[0].isalnum():
        raise InvalidNameError(name, "it must begin with a letter or a digit, as container names do")


def sanitize_workload_name(text: str) -> str:
    """Turn any text into an allowed name."""
    name = _FORBIDDEN.sub("-", text.replace("..", "--"))[:_MAX_LENGTH].lstrip(".-_")
    return name if len(name) >= _MIN_LENGTH else f"workload-{name}".rstrip("-")


def _main_label(url: str) -> str:
    """Word of a host's name that says whose it is: ``example`` of ``mcp.example.com``."""
    host = url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
    labels = host.partition(":")[0].split(".")
    if host.startswith("[") or all(label.isdigit() for label in labels):
        return host
    return labels[-2] if len(labels) > 1 else labels[0]


def default_workload_name(source: str) -> str:
    """Name a workload after what it runs, by ToolHive's rules.

    Parameters
    ----------
    source
        A ``uvx://``, ``npx://`` or ``go://`` package, an image reference, or the URL of a remote server.
    """
    if source.startswith(("http://", "https://")):
        return sanitize_workload_name(_main_label(source))
    scheme = next((scheme for scheme in PACKAGE_SCHEMES if source.startswith(scheme)), None)
    if scheme:
        return sanitize_workload_name(re.sub(r"[/@.]", "-", source.removeprefix(scheme)).lstrip("-"))
    last = source.rsplit("/", 1)[-1]
    return sanitize_workload_name(re.split(r"[:@]", last)[0])
