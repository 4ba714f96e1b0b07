"""What a token says -> whether it opens the door. The signature is somebody else's business.

Algorithms are pinned: those with a public key only. ``none`` and the HMAC ones, which would take the public key for a
shared secret, are not even looked at.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from toolhive_proxy.models.gates import Identity
from toolhive_proxy.models.tokens import Expectation, RefusalKind, Refused, TokenHead, VerificationKey, Verified

__all__ = ["ALGORITHMS", "bearer_token", "fitting_key", "judge_claims", "judge_head", "refuse_query"]

ALGORITHMS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithm to the kind of key and the curve that it needs."""

_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
"""Types of tokens that say who may call; others, such as logout tokens, have the same keys."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LONGEST = 16 * 1024
_LATEST = 1e15
"""Seconds since the epoch that are believed to be a time."""


def bearer_token(authorization: str) -> str | Refused:
    """Take the token out of an ``Authorization`` header; empty when absent."""
    if not authorization:
        return _request("authorization header required")
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer":
        return _request("invalid authorization header format, expected 'Bearer <token>'")
    if not token:
        return _request("empty token in authorization header")
    if len(token) > _LONGEST or not _TOKEN.fullmatch(token):
        return _request("invalid authorization header format, expected 'Bearer <token>'")
    return token


def refuse_query(query: str) -> Refused | None:
    """Refuse a token in the query: it would stand in logs and histories."""
    if not query or all(name != "access_token" for name, _ in parse_qsl(query, keep_blank_values=True)):
        return None
    return _request("a token in the query is not accepted; send it in the Authorization header")


def judge_head(head: TokenHead) -> Refused | None:
    """Refuse a token whose header asks for what is not done here."""
    if head.algorithm not in ALGORITHMS:
        return _token("the token is signed with an algorithm that is not accepted")
    if head.critical:
        return _token("the token has critical extensions, of which none is known")
    return None if head.type in _TYPES else _token("the token is not an access token")


def fitting_key(keys: Iterable[VerificationKey], head: TokenHead) -> VerificationKey | None:
    """Find the key that a token names. A token that names none is taken to mean the only one that fits."""
    kind, curve = ALGORITHMS[head.algorithm]
    fitting = [
        key
        for key in keys
        if key.kind == kind
        and key.curve == curve
        and key.algorithm in {"", head.algorithm}
        and key.use in {"", "sig"}
        and (not key.operations or "verify" in key.operations)
        and (not head.key_id or key.key_id == head.key_id)
    ]
    return fitting[0] if len(fitting) == 1 else None


def judge_claims(claims: Mapping[str, Any], expected: Expectation, now: float) -> Verified | Refused:
    """Judge the claims of a token whose signature is good.

    Parameters
    ----------
    now
        Seconds since the epoch.
    """
    expires = _time(claims, "exp")
    if expires is None:
        return _token("the token has no time of expiry (exp)")
    if refused := _judge_times(claims, expires, expected.leeway, now) or _judge_parties(claims, expected):
        return refused
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip():
        return _token("the token names no subject (sub)")
    if missing := expected.scopes - _scopes(claims):
        return Refused(RefusalKind.INSUFFICIENT_SCOPE, f"the token lacks the scope {' '.join(sorted(missing))}")
    return Verified(Identity(subject, dict(claims)), expires + expected.leeway)


def _judge_times(claims: Mapping[str, Any], expires: float, leeway: float, now: float) -> Refused | None:
    if now >= expires + leeway:
        return _token("the token has expired")
    for name, problem in (("nbf", "the token is not valid yet"), ("iat", "the token was issued in the future")):
        if name in claims:
            begins = _time(claims, name)
            if begins is None or begins > now + leeway:
                return _token(problem)
    return None


def _judge_parties(claims: Mapping[str, Any], expected: Expectation) -> Refused | None:
    issuer = claims.get("iss")
    if expected.issuer and not (isinstance(issuer, str) and issuer == expected.issuer):
        return _token("the token was issued by somebody else (iss)")
    if expected.audience and expected.audience not in _texts(claims.get("aud")):
        return _token("the token is meant for somebody else (aud)")
    return None


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` of RFC 9068, or ``scp`` as some providers write it; in one text or a list."""
    found = (*_texts(claims.get("scope")), *_texts(claims.get("scp")))
    return frozenset(word for text in found for word in text.split())


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and abs(value) < _LATEST else None


def _request(description: str) -> Refused:
    return Refused(RefusalKind.INVALID_REQUEST, description)


def _token(description: str) -> Refused:
    return Refused(RefusalKind.INVALID_TOKEN, description)
