"""``/.well-known/``: how to get a token for a workload (RFC 9728). Who asks has none: it passes no gate."""

from collections.abc import Callable

from toolhive_common.schemas.oidc import OidcConfig
from toolhive_proxy.decisions.challenges import metadata_answer, not_found
from toolhive_proxy.handlers.replying import failure_of_lookup, refusal_answer
from toolhive_proxy.models.http import Exchange
from toolhive_proxy.models.routes import Route, Unavailable, Workloads

__all__ = ["ResourceMetadata", "no_such_address"]


class ResourceMetadata:
    """Metadata of all workloads.

    Parameters
    ----------
    oidc_of
        A workload's authentication; ``None`` when it has none.
    endpoint_of
        URL that its clients reach it under.
    """

    def __init__(
        self, directory: Workloads, oidc_of: Callable[[Route], OidcConfig | None], endpoint_of: Callable[[Route], str]
    ) -> None:
        self._directory = directory
        self._oidc_of = oidc_of
        self._endpoint_of = endpoint_of

    def __call__(self, exchange: Exchange, workload: str) -> None:
        """Serve one request."""
        match self._directory.find(workload):
            case Route() as route:
                answer = metadata_answer(exchange.request.method, self._oidc_of(route), self._endpoint_of(route))
            case Unavailable() as found:  # whether there is any is not known before it can be called
                answer = refusal_answer(failure_of_lookup(found), None)
            case _:
                answer = not_found()
        exchange.respond(answer)


def no_such_address(exchange: Exchange, _workload: str) -> None:
    """Answer for all other well-known addresses."""
    exchange.respond(not_found())
