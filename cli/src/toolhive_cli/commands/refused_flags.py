"""The flags of ToolHive's ``thv run`` that this version does not act on: the one table of them.

They are read, so that a command line written for ToolHive is understood, and refused by name: a flag that is passed
over in silence would leave a server less protected than its user believes.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from toolhive_cli.errors import UnsupportedFlagError

__all__ = ["REFUSED", "refuse_flags"]

_F = TypeVar("_F", bound=Callable[..., Any])

_SECRETS = "secrets are not kept yet"
_FILES = "the proxy runs elsewhere and cannot read this machine's files"
_REMOTE = "the proxy does not log in at remote servers yet; their clients can"
_EXCHANGE = "tokens are not exchanged yet"
_TELEMETRY = "the proxy sends no telemetry yet"
_AGENT = "servers are run by the runtime agent, not by this command; leave it out"

REFUSED: dict[str, dict[str, str]] = {
    "value": {
        "--target-host": "a server is reached at its container's address",
        "--env-file-dir": "use --env-file for each file",
        "--secret": "secrets are not kept yet; use --env or --env-file",
        "--authz-config": "calls are not authorised by policies yet",
        "--audit-config": "calls are not audited yet",
        "--oidc-client-secret": _SECRETS,
        "--jwks-auth-token-file": _FILES,
        "--thv-ca-bundle": _FILES,
        **{
            f"--remote-auth-{name}": _REMOTE
            for name in (
                "issuer",
                "authorize-url",
                "token-url",
                "client-id",
                "client-secret",
                "client-secret-file",
                "scopes",
                "scope-param-name",
                "resource",
                "bearer-token",
                "bearer-token-file",
                "timeout",
                "callback-port",
            )
        },
        "--remote-forward-headers-secret": f"{_SECRETS}; use --remote-forward-headers",
        **{
            f"--token-exchange-{name}": _EXCHANGE
            for name in (
                "url",
                "client-id",
                "client-secret",
                "client-secret-file",
                "audience",
                "scopes",
                "subject-token-type",
                "header-name",
            )
        },
        **{
            f"--otel-{name}": _TELEMETRY
            for name in (
                "endpoint",
                "service-name",
                "headers",
                "sampling-rate",
                "env-vars",
                "custom-attributes",
            )
        },
        "--webhook-config": "webhooks are not called yet",
        "--ca-cert": "set TOOLHIVE_CA_BUNDLE at the runtime agent",
        "--image-verification": "images are not verified yet",
        "--k8s-pod-patch": "it is for Kubernetes",
    },
    "switch": {
        "--enable-audit": "calls are not audited yet",
        "--remote-auth": _REMOTE,
        "--remote-auth-skip-browser": _REMOTE,
        **{
            f"--otel-{name}": _TELEMETRY
            for name in (
                "tracing-enabled",
                "metrics-enabled",
                "insecure",
                "enable-prometheus-metrics-path",
                "use-legacy-attributes",
            )
        },
        "--ignore-globally": ".thvignore files are not read yet",
        "--print-resolved-overlays": ".thvignore files are not read yet",
        "--foreground": _AGENT,
    },
}
"""Kind (takes a value, or is a switch) to flag to why it is refused and what to do instead."""


def refuse_flags(function: _F) -> _F:
    """Add the refused flags to a command, hidden from its help."""
    options = [(flag, reason, kind == "switch") for kind, flags in REFUSED.items() for flag, reason in flags.items()]
    for flag, reason, is_switch in options:
        names = (f"{flag}/--no-{flag[2:]}", *(("-f",) if flag == "--foreground" else ())) if is_switch else (flag,)
        add = click.option(
            *names,
            # A long name of its own: two flags must never become one parameter.
            f"refused_{flag[2:].replace('-', '_')}",
            default=None,
            hidden=True,
            expose_value=False,
            callback=_refusal(flag, reason),
        )
        function = add(function)
    return function


def _refusal(flag: str, reason: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def refuse(_ctx: click.Context, _param: click.Parameter, value: object) -> None:
        if value is not None:
            raise UnsupportedFlagError(flag, reason)

    return refuse
