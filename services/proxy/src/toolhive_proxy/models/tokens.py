"""Tokens: what they say, what checks them, and what comes of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from toolhive_proxy.models.gates import Identity

__all__ = [
    "Expectation",
    "ProviderDown",
    "RefusalKind",
    "Refused",
    "TokenHead",
    "Verdict",
    "VerificationKey",
    "Verified",
]


class RefusalKind(StrEnum):
    """Error codes of RFC 6750."""

    INVALID_REQUEST = "invalid_request"
    """There is no token, or not where it belongs."""
    INVALID_TOKEN = "invalid_token"  # noqa: S105  # the name of an error
    INSUFFICIENT_SCOPE = "insufficient_scope"


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that does not open the door, or none."""

    kind: RefusalKind
    description: str
    """Sentence for the client. It never repeats the token."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that opens it."""

    identity: Identity
    until: float
    """Seconds since the epoch when it ceases to."""


@dataclass(frozen=True, slots=True)
class ProviderDown:
    """Nobody can tell now: the keys cannot be had."""

    retry_after: int
    """Seconds."""


Verdict = Verified | Refused | ProviderDown


@dataclass(frozen=True, slots=True)
class TokenHead:
    """Header of a JWT, before anything in it is believed."""

    algorithm: str
    key_id: str
    """Empty when absent."""
    type: str
    """``typ`` in lower case; empty when absent."""
    critical: bool
    """Whether it has extensions that must be understood (``crit``)."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key of a provider."""

    key_id: str
    kind: str
    """``RSA``, ``EC`` or ``OKP``."""
    curve: str
    """Of an ``EC`` or ``OKP`` key."""
    algorithm: str
    """The only one it is for; empty = any that fits."""
    use: str
    """``sig``, ``enc``, or empty."""
    operations: frozenset[str]
    """``key_ops``; empty = any."""
    handle: Any = field(repr=False, compare=False)
    """The key itself, for the adapter that made it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a workload's tokens must say."""

    issuer: str = ""
    audience: str = ""
    scopes: frozenset[str] = frozenset()
    leeway: float = 30.0
    """Seconds that clocks may be apart."""
