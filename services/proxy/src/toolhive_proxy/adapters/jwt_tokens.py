"""Reads JSON Web Tokens and key sets, and checks signatures."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import jwt
import orjson

from toolhive_proxy.errors import BadSignatureError
from toolhive_proxy.models.tokens import TokenHead, VerificationKey

__all__ = ["read_head", "read_keys", "verified_claims"]

_MIN_RSA_BITS = 2048
_MAX_KEYS = 100
_KINDS = frozenset({"RSA", "EC", "OKP"})


def read_head(token: str) -> TokenHead | None:
    """Read the header of a token; ``None`` when it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004  # header, claims, signature
        return None
    try:
        value = orjson.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("alg"), str):
        return None
    key_id, kind = value.get("kid", ""), value.get("typ", "")
    return TokenHead(
        value["alg"],
        key_id if isinstance(key_id, str) else "",
        kind.lower() if isinstance(kind, str) else "?",
        "crit" in value or "b64" in value,
    )


def read_keys(document: Mapping[str, Any]) -> tuple[VerificationKey, ...]:
    """Read the public keys of a JWKS. What is no usable key is left out, as RFC 7517 §5 has it."""
    found = document.get("keys")
    keys = found[:_MAX_KEYS] if isinstance(found, list) else []
    return tuple(key for value in keys if isinstance(value, dict) and (key := _read_key(value)) is not None)


def _read_key(value: dict[str, Any]) -> VerificationKey | None:
    kind, algorithm, operations = value.get("kty"), value.get("alg", ""), value.get("key_ops")
    if kind not in _KINDS or not isinstance(algorithm, str):
        return None
    public = {name: part for name, part in value.items() if name not in {"d", "p", "q", "dp", "dq", "qi", "oth"}}
    try:
        handle = jwt.PyJWK(public, algorithm=algorithm or _any_algorithm(value)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if kind == "RSA" and handle.key_size < _MIN_RSA_BITS:
        return None
    return VerificationKey(
        key_id=str(value.get("kid", "")),
        kind=kind,
        curve=str(value.get("crv", "")),
        algorithm=algorithm,
        use=str(value.get("use", "")),
        operations=frozenset(map(str, operations)) if isinstance(operations, list) else frozenset(),
        handle=handle,
    )


def _any_algorithm(value: dict[str, Any]) -> str:
    """Name an algorithm that a key of this kind can be read for."""
    curves = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
    return {"RSA": "RS256", "EC": curves.get(str(value.get("crv")), ""), "OKP": "EdDSA"}[value["kty"]]


def verified_claims(token: str, key: VerificationKey, algorithm: str) -> dict[str, Any]:
    """Check a token's signature, and read its claims.

    Raises
    ------
    BadSignatureError
        It was not signed with this key, or its claims are no JSON object.
    """
    try:
        claims = orjson.loads(jwt.PyJWS().decode(token, key.handle, algorithms=[algorithm]))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise BadSignatureError from error
    if not isinstance(claims, dict):
        raise BadSignatureError
    return claims
