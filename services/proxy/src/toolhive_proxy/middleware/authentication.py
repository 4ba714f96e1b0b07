"""Lets through who proves to be somebody, and says to everybody else how to do so.

The client's token goes on to a server in a container, as with ToolHive: it was issued for that server, which may look
at it too. It does not go on to a server elsewhere, for which it was not issued, nor past the part ``strip-auth``.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from toolhive_proxy.decisions.challenges import Challenger
from toolhive_proxy.decisions.token_rules import bearer_token, refuse_query
from toolhive_proxy.models.gates import Gate, Identity, RequestContext
from toolhive_proxy.models.http import Response
from toolhive_proxy.models.tokens import ProviderDown, Refused, Verdict, Verified

__all__ = ["Count", "Verifier", "local_identity", "strip_credentials", "token_gate"]

Count = Callable[[str], None]
"""Counts a verification by its outcome."""

_AUTHORIZATION = b"authorization"
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})


class Verifier(Protocol):
    """Knows whose tokens are whose."""

    def known(self, credentials: bytes) -> Identity | None:
        """Say whose credentials these are, if they were good a short time ago."""
        ...

    def verify(self, credentials: bytes, token: str) -> Verdict | Awaitable[Verdict]:
        """Say who sent a token that is not known."""
        ...


def local_identity(subject: str) -> Gate:
    """Make the gate of a workload without authentication: everybody is the system's user."""
    identity = Identity(subject)

    def know(context: RequestContext) -> None:
        context.identity = identity

    return know


def token_gate(verifier: Verifier, challenger: Challenger, count: Count, *, keep_token: bool) -> Gate:
    """Make the gate of a workload with authentication.

    Parameters
    ----------
    keep_token
        Whether the server gets the token too.
    """

    def settle(context: RequestContext, verdict: Verdict) -> Response | None:
        match verdict:
            case Verified():
                count("verified")
                context.identity = verdict.identity
                if not keep_token:
                    strip_credentials(context)
                return None
            case Refused():
                count(verdict.kind.value)
                return challenger.refuse(verdict)
            case ProviderDown():
                count("provider_down")
                return challenger.put_off(verdict)

    async def settle_later(context: RequestContext, verdict: Awaitable[Verdict]) -> Response | None:
        return settle(context, await verdict)

    def check(context: RequestContext) -> Response | Awaitable[Response | None] | None:
        request = context.request
        given = [value for name, value in request.headers if name == _AUTHORIZATION]
        credentials = b", ".join(given)
        refused = refuse_query(request.query) if request.query else None
        known = verifier.known(credentials) if given and refused is None else None
        if known is not None:  # as most requests are
            count("known")
            context.identity = known
            if not keep_token:
                strip_credentials(context)
            return None
        token = refused or bearer_token(credentials.decode("latin-1"))
        if isinstance(token, Refused):
            return settle(context, token)
        verdict = verifier.verify(credentials, token)
        if isinstance(verdict, Verified | Refused | ProviderDown):
            return settle(context, verdict)
        return settle_later(context, verdict)

    return check


def strip_credentials(context: RequestContext) -> None:
    """Keep the client's credentials from the server."""
    context.headers = [header for header in context.headers if header[0] not in _CREDENTIALS]
