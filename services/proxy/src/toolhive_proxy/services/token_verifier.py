"""Says who a token belongs to. What was verified once is remembered, so that most requests wait for nothing."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from toolhive_proxy.decisions.token_rules import fitting_key, judge_claims, judge_head
from toolhive_proxy.errors import BadSignatureError, ProviderError
from toolhive_proxy.models.gates import Identity
from toolhive_proxy.models.tokens import (
    Expectation,
    ProviderDown,
    RefusalKind,
    Refused,
    TokenHead,
    Verdict,
    VerificationKey,
    Verified,
)
from toolhive_proxy.services.identity_provider import IdentityProvider
from toolhive_proxy.services.key_store import KeyStore

__all__ = ["Signatures", "TokenVerifier", "VerifierLimits"]

_log = structlog.get_logger(__name__)

_UNKNOWN = Refused(RefusalKind.INVALID_TOKEN, "the token is signed with a key that its issuer does not have")
_FORGED = Refused(RefusalKind.INVALID_TOKEN, "the token's signature is wrong")
_OPAQUE = Refused(RefusalKind.INVALID_TOKEN, "the token cannot be read")
_DEAD = Refused(RefusalKind.INVALID_TOKEN, "the token is not active")


class Signatures(Protocol):
    """Reads tokens and checks their signatures."""

    def read_head(self, token: str) -> TokenHead | None:
        """Read the header; ``None`` when it is no JWT."""
        ...

    def verified_claims(self, token: str, key: VerificationKey, algorithm: str) -> dict[str, object]:
        """Check the signature and read the claims."""
        ...


@dataclass(frozen=True)
class VerifierLimits:
    """How much is remembered, and for how long."""

    tokens: int = 4096
    trusted: float = 300.0
    """Seconds after which a token is looked at again: its key may have been withdrawn."""
    introspected: float = 30.0
    """The same for a token that the provider was asked about: it may have been revoked."""
    refused: float = 5.0
    """The same for a token that the provider was asked about and that was not good."""
    asking: int = 16
    """Questions to the provider at a time."""
    waiting: int = 64
    """Questions that wait for their turn. Who comes then is put off."""


class TokenVerifier:
    """Verifies the tokens of one workload.

    Parameters
    ----------
    now
        Seconds since the epoch.
    """

    def __init__(
        self,
        provider: IdentityProvider,
        keys: KeyStore,
        signatures: Signatures,
        expected: Expectation,
        now: Callable[[], float],
        limits: VerifierLimits | None = None,
    ) -> None:
        self._provider = provider
        self._keys = keys
        self._signatures = signatures
        self._expected = expected
        self._now = now
        self._limits = limits or VerifierLimits()
        self._known: OrderedDict[bytes, Verified] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[Refused, float]] = OrderedDict()
        """Tokens that the provider was asked about in vain, and until when that is believed."""
        self._waiting = 0
        self._asking = asyncio.Semaphore(self._limits.asking)

    def known(self, credentials: bytes) -> Identity | None:
        """Say whose credentials (an ``Authorization`` header) these are, if they were good a short time ago."""
        digest = hashlib.sha256(credentials).digest()
        known = self._known.get(digest)
        if known is None or self._now() >= known.until:
            return None
        self._known.move_to_end(digest)
        return known.identity

    def verify(self, credentials: bytes, token: str) -> Verdict | Awaitable[Verdict]:
        """Say who sent a token that is not known; an awaitable only when the provider must be asked.

        Parameters
        ----------
        credentials
            The header that the token came in: it will be known by this.
        """
        digest = hashlib.sha256(credentials).digest()
        head = self._signatures.read_head(token)
        if head is None or not self._provider.has_keys:
            return self._ask(digest, token) if self._provider.can_introspect else _OPAQUE
        if refused := judge_head(head):
            return refused
        if self._needs_keys(head):
            return self._check_with_new_keys(digest, token, head)
        return self._check(digest, token, head)

    def _needs_keys(self, head: TokenHead) -> bool:
        """Whether the provider should be asked for keys first."""
        keys = self._keys.keys
        lacking = not self._keys.is_fresh or keys is None or fitting_key(keys, head) is None
        return lacking and self._keys.may_fetch

    async def _check_with_new_keys(self, digest: bytes, token: str, head: TokenHead) -> Verdict:
        await self._keys.fetch()
        return self._check(digest, token, head)

    def _check(self, digest: bytes, token: str, head: TokenHead) -> Verdict:
        keys = self._keys.keys
        if keys is None:
            return ProviderDown(self._keys.retry_after)
        key = fitting_key(keys, head)
        if key is None:
            return _UNKNOWN
        try:
            claims = self._signatures.verified_claims(token, key, head.algorithm)
        except BadSignatureError:
            return _FORGED
        return self._remember(digest, judge_claims(claims, self._expected, self._now()), self._limits.trusted)

    def _ask(self, digest: bytes, token: str) -> Verdict | Awaitable[Verdict]:
        """Ask the provider about a token that it did not refuse just now, unless too many wait to be asked about."""
        if (refused := self._refusal(digest)) is not None:
            return refused
        if self._waiting >= self._limits.asking + self._limits.waiting:
            return ProviderDown(self._keys.retry_after)
        return self._introspect(digest, token)

    def _refusal(self, digest: bytes) -> Refused | None:
        refused = self._refused.get(digest)
        return refused[0] if refused is not None and self._now() < refused[1] else None

    async def _introspect(self, digest: bytes, token: str) -> Verdict:
        self._waiting += 1
        try:
            return await self._introspect_in_turn(digest, token)
        finally:
            self._waiting -= 1

    async def _introspect_in_turn(self, digest: bytes, token: str) -> Verdict:
        async with self._asking:
            known = self._known.get(digest)
            if known is not None and self._now() < known.until:  # somebody asked while this one waited
                return known
            if (refused := self._refusal(digest)) is not None:
                return refused
            try:
                claims = await self._provider.claims_of(token)
            except ProviderError as error:
                _log.warning("the identity provider does not say whether a token is good", cause=error.message)
                return ProviderDown(self._keys.retry_after)
            verdict = _DEAD if claims is None else judge_claims(claims, self._expected, self._now())
            if isinstance(verdict, Refused):
                return self._remember_refused(digest, verdict)
            return self._remember(digest, verdict, self._limits.introspected)

    def _remember_refused(self, digest: bytes, verdict: Refused) -> Refused:
        self._refused[digest] = verdict, self._now() + self._limits.refused
        self._refused.move_to_end(digest)
        while len(self._refused) > self._limits.tokens:
            self._refused.popitem(last=False)
        return verdict

    def _remember(self, digest: bytes, verdict: Verified | Refused, trusted: float) -> Verdict:
        """Keep who it was under the token's hash; the token itself is kept nowhere."""
        if isinstance(verdict, Verified):
            kept = Verified(verdict.identity, min(verdict.until, self._now() + trusted))
            self._known[digest] = kept
            self._known.move_to_end(digest)
            while len(self._known) > self._limits.tokens:
                self._known.popitem(last=False)
        return verdict
