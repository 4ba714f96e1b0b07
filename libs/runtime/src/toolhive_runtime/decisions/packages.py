"""Reading ``uvx://``, ``npx://`` and ``go://`` package sources."""

import re
from dataclasses import dataclass
from enum import StrEnum

from toolhive_runtime.errors import InvalidPackageError, UnsupportedSettingError

__all__ = ["Package", "PackageScheme", "is_package", "parse_package"]


class PackageScheme(StrEnum):
    """Whose package it is."""

    UVX = "uvx"
    """PyPI."""
    NPX = "npx"
    """npm."""
    GO = "go"
    """A Go module."""


@dataclass(frozen=True)
class Package:
    """One package to make an image of. Its parts hold no character that a shell or a Dockerfile would read."""

    scheme: PackageScheme
    name: str
    """Without version and extras."""
    version: str
    """Empty = the newest."""
    extras: str = ""
    """Of a Python package, comma-separated."""

    @property
    def source(self) -> str:
        """As a user would write it."""
        extras = f"[{self.extras}]" if self.extras else ""
        return f"{self.scheme}://{self.name}{extras}" + (f"@{self.version}" if self.version else "")


_VERSION = r"(?:@(?P<version>[A-Za-z0-9][A-Za-z0-9.+!_-]*))?"
_GRAMMAR = {
    PackageScheme.UVX: re.compile(
        r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[(?P<extras>[A-Za-z0-9._,-]+)\])?" + _VERSION
    ),
    PackageScheme.NPX: re.compile(
        r"(?P<name>(?:@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*)" + _VERSION, re.IGNORECASE
    ),
    PackageScheme.GO: re.compile(r"(?P<name>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:/[A-Za-z0-9._~-]+)+)" + _VERSION),
}
_EXAMPLES = {
    PackageScheme.UVX: "uvx://mcp-server-time or uvx://mcp-server-time@1.2",
    PackageScheme.NPX: "npx://@scope/name or npx://@scope/name@1.2",
    PackageScheme.GO: "go://github.com/owner/module or go://github.com/owner/module/cmd@v1.2.3",
}
_PATH_STARTS = (".", "/")


def is_package(source: str) -> bool:
    """Whether a source is built rather than pulled."""
    return any(source.startswith(f"{scheme}://") for scheme in PackageScheme)


def parse_package(source: str) -> Package:
    """Take a package source apart.

    Raises
    ------
    InvalidPackageError
        The text after the scheme is no package's name.
    UnsupportedSettingError
        A Go package on this machine rather than in a registry.
    """
    scheme = PackageScheme(source.partition("://")[0])
    text = source.removeprefix(f"{scheme}://")
    if scheme is PackageScheme.GO and text.startswith(_PATH_STARTS):
        raise UnsupportedSettingError(
            f"the local Go package {source}",
            "an agent may run on another machine; publish the module and use its path",
        )
    match = _GRAMMAR[scheme].fullmatch(text)
    if match is None or ".." in text:
        problem = "the name is empty" if not text else "it has characters or an order that names do not have"
        raise InvalidPackageError(source, problem, _EXAMPLES[scheme])
    parts = match.groupdict()
    version = parts["version"] or ""
    return Package(
        scheme=scheme,
        name=parts["name"],
        version="" if version == "latest" else version,
        extras=parts.get("extras") or "",
    )
