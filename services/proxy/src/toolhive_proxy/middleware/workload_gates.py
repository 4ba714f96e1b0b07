"""Builds the gates that a workload's RunConfig asks for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import Code, error_body
from toolhive_common.middleware.parts import (
    Authentication,
    BodyLimit,
    HeaderForwarding,
    OriginCheck,
    Part,
    PartName,
    Plain,
    ToolRules,
)
from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.adapters.provider_http import ProviderHttp
from toolhive_proxy.decisions.challenges import Challenger
from toolhive_proxy.middleware.authentication import Count, local_identity, strip_credentials, token_gate
from toolhive_proxy.middleware.header_forward import (
    drop_proxy_headers,
    drop_what_is_ours,
    encoded_headers,
    header_gate,
)
from toolhive_proxy.middleware.session_seal import seal_gate
from toolhive_proxy.middleware.tool_filter import tool_call_gate, tool_list_gate
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Header, Response
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.tokens import Expectation
from toolhive_proxy.services.identity_provider import IdentityProvider
from toolhive_proxy.services.key_store import KeyStore
from toolhive_proxy.services.token_verifier import TokenVerifier

__all__ = ["GateSettings", "MakeGate", "WorkloadGates", "forwarded_headers", "oidc_of"]

_log = structlog.get_logger(__name__)

MakeGate = Callable[[Route, Part], Gate | None]
"""Makes the gate of a part; ``None`` when somebody else sees to it."""


@dataclass(frozen=True)
class GateSettings:
    """What all gates have in common."""

    now: Callable[[], float]
    """Seconds since the epoch."""
    local_user: str
    """Who calls a workload without authentication."""
    seal_key: Callable[[], bytes]
    """Tells the key that binds servers' sessions to their callers; the same in all proxies of a stack."""
    client_secret: str = ""
    """What the proxy shows to ask about tokens, where the RunConfig has none."""

    def __repr__(self) -> str:
        """Write it without the secret."""
        return f"GateSettings(local_user={self.local_user!r})"


class WorkloadGates:
    """Makes the gates of workloads.

    Parameters
    ----------
    makers
        Makers of parts that are made elsewhere, such as the check of origins and the parser.
    endpoint_of
        Workload to the URL that its clients reach it under.
    count_of
        Workload to the counter of its tokens' verifications.
    """

    def __init__(
        self,
        settings: GateSettings,
        makers: Mapping[PartName, MakeGate],
        *,
        endpoint_of: Callable[[Route], str],
        count_of: Callable[[Route], Count],
    ) -> None:
        self._settings = settings
        self._makers = makers
        self._endpoint_of = endpoint_of
        self._count_of = count_of
        # Workloads with the same settings share what is known of their provider, for as long as one of them is there.
        self._verifiers: WeakValueDictionary[OidcConfig, TokenVerifier] = WeakValueDictionary()

    def of(self, route: Route) -> tuple[tuple[PartName, Gate], ...]:
        """Make a workload's gates, in order. One that cannot be made shuts the workload: it may be the lock."""
        try:
            plan = plan_middleware(route.run_config)
            made = [(part.name, self._make(route, part)) for part in plan]
        except ToolHiveError as error:
            _log.error("a workload is shut", workload=route.key.name, cause=error.message)  # it tells all
            return ((PartName.AUTHENTICATION, partial(_shut, error.message)),)
        gates = tuple((name, gate) for name, gate in made if gate is not None)
        if route.transport is Transport.STREAMABLE_HTTP and any(_asks_who_calls(part) for part in plan):
            gates = (*gates, (PartName.HEADER_FORWARD, seal_gate(route.key.name, self._settings.seal_key)))
        # First, so that it drops what clients say and not what a part of the workload adds.
        if route.remote:
            return ((PartName.HEADER_FORWARD, drop_what_is_ours), *gates)
        if route.run_config.trust_proxy_headers:
            return gates
        return ((PartName.HEADER_FORWARD, drop_proxy_headers), *gates)

    def _make(self, route: Route, part: Part) -> Gate | None:
        if part.name in self._makers:
            return self._makers[part.name](route, part)
        gate: Gate | None
        match part:
            case Authentication():
                gate = self._token_gate(route, part.oidc) if part.oidc else local_identity(self._settings.local_user)
            case ToolRules():
                gate = tool_list_gate(part) if part.name is PartName.TOOL_FILTER else tool_call_gate(part)
            case HeaderForwarding():
                gate = header_gate(part)
            case BodyLimit():
                gate = partial(_limit_body, part.max_bytes) if _asks_for_limit(route) else None
            case Plain() | OriginCheck():
                gate = strip_credentials if part.name is PartName.STRIP_AUTH else None
        return gate

    def _token_gate(self, route: Route, oidc: OidcConfig) -> Gate:
        if not oidc.audience:
            _log.warning(
                "tokens are taken that were issued for anybody: set the audience of the workload",
                workload=route.key.name,
            )
        return token_gate(
            self._verifier(oidc),
            Challenger.of(oidc, self._endpoint_of(route)),
            self._count_of(route),
            keep_token=not route.remote,
        )

    def _verifier(self, oidc: OidcConfig) -> TokenVerifier:
        found = self._verifiers.get(oidc)
        if found is not None:
            return found
        # Imported where it is needed: it brings `cryptography`, whose memory a proxy without authentication saves.
        from toolhive_proxy.adapters import jwt_tokens  # noqa: PLC0415

        http = ProviderHttp(
            allow_http=oidc.insecure_allow_http,
            allow_private=oidc.allow_private_ip,
            ca_file=oidc.ca_cert_path,
            token_file=oidc.auth_token_file,
        )
        secret = oidc.client_secret or self._settings.client_secret
        provider = IdentityProvider(http, oidc, jwt_tokens.read_keys, secret)
        verifier = TokenVerifier(
            provider,
            KeyStore(provider.keys, self._settings.now),
            jwt_tokens,
            Expectation(oidc.issuer, oidc.audience, frozenset(oidc.required_scopes)),
            self._settings.now,
        )
        self._verifiers[oidc] = verifier
        return verifier


def oidc_of(route: Route) -> OidcConfig | None:
    """Find a workload's authentication, for the metadata that tells clients about it."""
    try:
        plan = plan_middleware(route.run_config)
    except ToolHiveError:
        return None
    return next((part.oidc for part in plan if isinstance(part, Authentication) and part.oidc), None)


def _asks_who_calls(part: Part) -> bool:
    return isinstance(part, Authentication) and part.oidc is not None


def forwarded_headers(route: Route) -> tuple[Header, ...]:
    """Find the headers that a workload sets, for connections that belong to no single request."""
    plan = plan_middleware(route.run_config)
    return tuple(header for part in plan if isinstance(part, HeaderForwarding) for header in encoded_headers(part))


def _asks_for_limit(route: Route) -> bool:
    """Whether somebody wrote a limit down; the server has one of its own, which may be higher than the default."""
    config = route.run_config
    links = (*config.middleware_configs, *config.additional_middleware_configs)
    return any(link.type == PartName.BODY_LIMIT for link in links)


def _limit_body(limit: int, context: RequestContext) -> Response | None:
    """Hold to a limit below the server's own."""
    if len(context.request.body) <= limit:
        return None
    return Response(413, b"Request Entity Too Large\n", ((b"content-type", b"text/plain; charset=utf-8"),))


def _shut(problem: str, _context: RequestContext) -> Response:
    body = error_body(None, Code.INTERNAL_ERROR, f"the workload cannot be called: {problem}")
    return Response(503, body, ((b"content-type", b"application/json"),))
