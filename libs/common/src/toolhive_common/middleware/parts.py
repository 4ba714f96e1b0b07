"""The parts of the proxy's middleware, each with its settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.runconfig import ToolOverride

__all__ = [
    "DEFAULT_MAX_BODY",
    "Authentication",
    "BodyLimit",
    "HeaderForwarding",
    "InvalidMiddlewareError",
    "OriginCheck",
    "Part",
    "PartName",
    "Plain",
    "ToolRules",
    "UnsupportedPartsError",
]

DEFAULT_MAX_BODY = 8 * 1024 * 1024
"""Bytes of a request."""


class PartName(StrEnum):
    """Types of ``middleware_configs`` that exist here."""

    BODY_LIMIT = "bodylimit"
    ORIGIN = "origin"
    AUTHENTICATION = "auth"
    STRIP_AUTH = "strip-auth"
    TOOL_FILTER = "tool-filter"
    TOOL_CALL_FILTER = "tool-call-filter"
    PARSER = "mcp-parser"
    HEADER_FORWARD = "header-forward"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Plain:
    """A part without settings."""

    name: PartName


@dataclass(frozen=True)
class BodyLimit:
    """The largest request, in bytes."""

    max_bytes: int = DEFAULT_MAX_BODY
    name: PartName = PartName.BODY_LIMIT


@dataclass(frozen=True)
class OriginCheck:
    """Origins whose pages may call; none = those of the proxy's own address."""

    allowed_origins: tuple[str, ...] = ()
    """In lower case, as browsers write them."""
    name: PartName = PartName.ORIGIN

    @classmethod
    def of(cls, origins: Iterable[str]) -> Self:
        """Allow these, however they are spelled."""
        return cls(tuple(origin.lower() for origin in origins))


@dataclass(frozen=True)
class Authentication:
    """Who may call; ``None`` = everybody who reaches the proxy."""

    oidc: OidcConfig | None = None
    name: PartName = PartName.AUTHENTICATION


@dataclass(frozen=True)
class ToolRules:
    """Which tools there are for clients, and what they are called."""

    name: PartName
    filter: frozenset[str]
    """Names as clients know them; none = all tools."""
    overrides: Mapping[str, ToolOverride]
    """The server's name to what clients see instead."""


@dataclass(frozen=True)
class HeaderForwarding:
    """Headers that are set on what goes to the server. Their values may be keys, and stand in no message."""

    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    name: PartName = PartName.HEADER_FORWARD

    def __repr__(self) -> str:
        """Write it without the values."""
        return f"HeaderForwarding({', '.join(name for name, _ in self.headers)})"


Part = Plain | BodyLimit | OriginCheck | Authentication | ToolRules | HeaderForwarding


class UnsupportedPartsError(ToolHiveError):
    """A RunConfig asks for parts that do not exist here."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        super().__init__(
            ErrorCode.UNSUPPORTED_SETTING,
            f"{', '.join(parts)}: not supported by this version of ToolHive for Python, and nothing that is asked "
            "for is left out silently; remove it from the RunConfig",
        )
        self.parts = parts


class InvalidMiddlewareError(ToolHiveError):
    """Settings of a part cannot be read, or contradict each other."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, f"{setting}: {problem}")
        self.setting = setting
