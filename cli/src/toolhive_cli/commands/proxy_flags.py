"""The flags of ``thv run`` that say how the proxy before the server behaves, under ToolHive's names."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from toolhive_cli.adapters.files import read_tools_override
from toolhive_cli.commands.choices import WordOrNothing
from toolhive_cli.decisions.pairs import parse_pairs
from toolhive_common.schemas.workload import OidcOptions

__all__ = ["proxy_flags", "read_proxy_flags"]

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--proxy-mode",
        default="",
        type=WordOrNothing(["sse", "streamable-http"]),
        metavar="[sse|streamable-http]",
        help="How clients are told to connect.  [default: streamable-http]",
    ),
    click.option(
        "--stdio-process",
        default="",
        type=WordOrNothing(["shared", "per-session"]),
        metavar="[shared|per-session]",
        help="Whether the sessions of a stdio server share a process.  [default: shared]",
    ),
    click.option("--tools", multiple=True, metavar="NAME[,NAME]", help="Tools that clients see; no others."),
    click.option("--tools-override", default="", metavar="FILE", help="JSON file of other names for tools."),
    click.option(
        "--remote-forward-headers",
        "headers",
        multiple=True,
        metavar="NAME=VALUE",
        help="Header to send to the server.",
    ),
    click.option(
        "--trust-proxy-headers/--no-trust-proxy-headers", default=False, help="Believe X-Forwarded headers."
    ),
    click.option(
        "--strict-protocol-validation/--no-strict-protocol-validation",
        default=False,
        help="Refuse versions of the protocol that are not known.",
    ),
    click.option("--stateless/--no-stateless", default=False, help="Take POST requests only, without sessions."),
    click.option(
        "--session-ttl", default="", metavar="DURATION", help="How long an idle session lasts, such as 30m."
    ),
    click.option("--endpoint-prefix", default="", metavar="PATH", help="Path before the endpoint told over SSE."),
    click.option("--allowed-origins", multiple=True, metavar="ORIGIN", help="Web page that may call the server."),
    click.option("--oidc-issuer", default="", metavar="URL", help="Who issues the tokens that clients need."),
    click.option("--oidc-audience", default="", metavar="NAME", help="Whom the tokens have to be meant for."),
    click.option("--oidc-jwks-url", default="", metavar="URL", help="The issuer's keys, if it does not say where."),
    click.option("--oidc-introspection-url", default="", metavar="URL", help="Where to ask about opaque tokens."),
    click.option("--oidc-client-id", default="", metavar="ID", help="The proxy's own id at the issuer."),
    click.option("--oidc-scopes", multiple=True, metavar="SCOPE[,SCOPE]", help="Scopes that clients are told of."),
    click.option("--oidc-insecure-allow-http/--no-oidc-insecure-allow-http", default=False, help="For tests only."),
    click.option(
        "--jwks-allow-private-ip/--no-jwks-allow-private-ip",
        default=False,
        help="Let the issuer be on a local network.",
    ),
    click.option(
        "--resource-url", default="", metavar="URL", help="The server's own URL, told to clients (RFC 9728)."
    ),
)


def proxy_flags(function: _F) -> _F:
    """Add the flags to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_proxy_flags(given: dict[str, Any]) -> dict[str, Any]:
    """Turn what click gave into fields of `RunFlags`; taken out of what was given are those that become another.

    Raises
    ------
    InvalidFlagError
    """
    override = given.pop("tools_override")
    return {
        "oidc": _oidc(given),
        "tools": _parts(given.pop("tools")),
        "tools_override": read_tools_override(override) if override else {},
        "headers": parse_pairs("--remote-forward-headers", given.pop("headers")),
        "allowed_origins": _parts(given.pop("allowed_origins")),
    }


def _oidc(given: dict[str, Any]) -> OidcOptions | None:
    options = OidcOptions(
        issuer=given.pop("oidc_issuer"),
        audience=given.pop("oidc_audience"),
        jwks_url=given.pop("oidc_jwks_url"),
        introspection_url=given.pop("oidc_introspection_url"),
        client_id=given.pop("oidc_client_id"),
        scopes=_parts(given.pop("oidc_scopes")),
        resource_url=given.pop("resource_url"),
        allow_private_ip=given.pop("jwks_allow_private_ip"),
        insecure_allow_http=given.pop("oidc_insecure_allow_http"),
    )
    return options if options != OidcOptions() else None


def _parts(texts: Iterable[str]) -> tuple[str, ...]:
    """Split at commas, as Go's lists of strings do."""
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())
