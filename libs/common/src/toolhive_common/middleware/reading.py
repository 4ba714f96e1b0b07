"""Settings of a part as a RunConfig spells them -> the part."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from toolhive_common.middleware.parts import (
    DEFAULT_MAX_BODY,
    Authentication,
    BodyLimit,
    HeaderForwarding,
    InvalidMiddlewareError,
    OriginCheck,
    Part,
    PartName,
    Plain,
    ToolRules,
    UnsupportedPartsError,
)
from toolhive_common.problems import problem_of
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.runconfig import MiddlewareConfig, ToolOverride

__all__ = [
    "PARAMETERS",
    "PROTOCOL_HEADERS",
    "RESTRICTED_HEADERS",
    "read_authentication",
    "read_headers",
    "read_link",
    "read_model",
    "read_tool_rules",
]

RESTRICTED_HEADERS = frozenset(
    {
        "host",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "proxy-authenticate",
        "proxy-connection",
        "transfer-encoding",
        "content-length",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
"""Headers that belong to a connection or say who asks; in lower case. ToolHive's list."""

PROTOCOL_HEADERS = frozenset({"mcp-session-id", "mcp-protocol-version", "content-type", "accept", "last-event-id"})
"""Headers that MCP sets for each request."""

_OWN_INTROSPECTION = ("oauth2.googleapis.com/tokeninfo", "api.github.com/applications")
"""Addresses of providers that have their own way of introspection instead of RFC 7662."""


class _AuthParameters(Wire):
    oidc_config: OidcConfig | None = None


class _BodyLimitParameters(Wire):
    max_bytes: int = Field(default=DEFAULT_MAX_BODY, ge=0)


class _OriginParameters(Wire):
    allowed_origins: tuple[str, ...] = ()

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _read_null(cls, value: object) -> object:
        return () if value is None else value


class _ToolParameters(Wire):
    filter_tools: tuple[str, ...] | None = None
    tools_override: dict[str, ToolOverride] | None = None


class _HeaderParameters(Wire):
    add_headers: dict[str, str] | None = None


PARAMETERS: Mapping[PartName, type[Wire]] = {
    PartName.AUTHENTICATION: _AuthParameters,
    PartName.BODY_LIMIT: _BodyLimitParameters,
    PartName.ORIGIN: _OriginParameters,
    PartName.TOOL_FILTER: _ToolParameters,
    PartName.TOOL_CALL_FILTER: _ToolParameters,
    PartName.HEADER_FORWARD: _HeaderParameters,
}
"""How parts spell their settings in a chain. The others have none."""

_Model = TypeVar("_Model", bound=Wire)


def read_link(where: str, link: MiddlewareConfig) -> Part:
    """Read one link of a chain whose type exists.

    Parameters
    ----------
    where
        How messages call it.

    Raises
    ------
    InvalidMiddlewareError
        Its parameters make no sense.
    """
    values = link.parameters or {}
    match PartName(link.type):
        case PartName.BODY_LIMIT:
            return BodyLimit(read_model(_BodyLimitParameters, where, values).max_bytes or DEFAULT_MAX_BODY)
        case PartName.ORIGIN:
            return OriginCheck.of(read_model(_OriginParameters, where, values).allowed_origins)
        case PartName.AUTHENTICATION:
            return read_authentication(where, read_model(_AuthParameters, where, values).oidc_config)
        case PartName.TOOL_FILTER | PartName.TOOL_CALL_FILTER as name:
            tools = read_model(_ToolParameters, where, values)
            return read_tool_rules(where, name, tools.filter_tools or (), tools.tools_override or {})
        case PartName.HEADER_FORWARD:
            return read_headers(where, read_model(_HeaderParameters, where, values).add_headers or {})
        case PartName.STRIP_AUTH | PartName.PARSER | PartName.RECOVERY as name:
            return Plain(name)


def read_model(model: type[_Model], where: str, values: Any) -> _Model:
    """Read one part's settings.

    Raises
    ------
    InvalidMiddlewareError
        They do not fit; the message names the place, never the value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:  # its own text repeats the values, which may be secrets
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise InvalidMiddlewareError(where, f"{place or 'it'} {problem_of(first)}") from None


def read_authentication(where: str, oidc: OidcConfig | None) -> Authentication:
    """Say who may call.

    Raises
    ------
    InvalidMiddlewareError
        Nothing says where tokens come from.
    UnsupportedPartsError
        They are checked in a way that does not exist here.
    """
    if oidc is None:
        return Authentication()
    if oidc == OidcConfig():
        raise InvalidMiddlewareError(where, "it says nothing; give Issuer and Audience, or leave it out")
    if not oidc.is_set:
        raise InvalidMiddlewareError(
            where, "nothing says who issues tokens; give Issuer, JWKSURL or IntrospectionURL, or leave all of it out"
        )
    for key, url in (
        ("Issuer", oidc.issuer),
        ("JWKSURL", oidc.jwks_url),
        ("IntrospectionURL", oidc.introspection_url),
    ):
        if url and not _is_provider_url(url, allow_http=oidc.insecure_allow_http):
            raise InvalidMiddlewareError(
                where, f"{key} is no https URL; correct it, or set InsecureAllowHTTP for a test over http"
            )
    if any(own in oidc.introspection_url for own in _OWN_INTROSPECTION):
        raise UnsupportedPartsError((f"{where}: the introspection of Google and GitHub, which is not RFC 7662",))
    return Authentication(oidc)


def _is_provider_url(url: str, *, allow_http: bool) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    return is_plain and bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and allow_http))


def read_tool_rules(
    where: str, name: PartName, names: tuple[str, ...], overrides: Mapping[str, ToolOverride]
) -> ToolRules:
    """Say which tools there are.

    Raises
    ------
    InvalidMiddlewareError
        A name is empty, or two tools would have the same.
    """
    if not (names or overrides):
        raise InvalidMiddlewareError(where, "it names no tool; give filter_tools or tools_override, or leave it out")
    if "" in names or "" in overrides:
        raise InvalidMiddlewareError(where, "a tool's name is empty; leave it out")
    shown: dict[str, str] = {}
    for actual, override in overrides.items():
        if not (override.name or override.description):
            raise InvalidMiddlewareError(where, f"{actual[:120]!r} gets neither a name nor a description; give one")
        other = shown.setdefault(override.name or actual, actual)
        if other != actual:
            raise InvalidMiddlewareError(
                where,
                f"{other[:120]!r} and {actual[:120]!r} would both be called {(override.name or actual)[:120]!r}; "
                "give one of them another name",
            )
    return ToolRules(name, frozenset(names), dict(overrides))


def read_headers(where: str, headers: Mapping[str, str]) -> HeaderForwarding:
    """Say which headers are set.

    Raises
    ------
    InvalidMiddlewareError
        One of them may not be set, or is no header.
    """
    named = tuple((name.lower(), value) for name, value in headers.items())
    if len(dict(named)) < len(named):
        raise InvalidMiddlewareError(where, "a header is given twice, in different case; leave one of them out")
    for name, value in named:
        if name in RESTRICTED_HEADERS | PROTOCOL_HEADERS:
            raise InvalidMiddlewareError(
                where, f"the header {name} is set by the proxy or the protocol itself; leave it out"
            )
        if not _is_token(name):
            raise InvalidMiddlewareError(where, f"{name[:120]!r} cannot be a header's name; correct it")
        if not _is_value(value):
            raise InvalidMiddlewareError(where, f"the value of {name} holds characters that no header may hold")
    return HeaderForwarding(named)


def _is_token(name: str) -> bool:
    return bool(name) and all(char.isascii() and (char.isalnum() or char in "!#$%&'*+-.^_`|~") for char in name)


def _is_value(value: str) -> bool:
    return value == value.strip() and all(
        char == "\t" or " " <= char <= "~" or "\x80" <= char <= "\xff" for char in value
    )
