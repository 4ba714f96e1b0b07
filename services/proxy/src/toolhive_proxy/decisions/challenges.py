"""What an unknown caller is told: how to get a token (RFC 6750, RFC 9728), and what was wrong with the one it has."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from toolhive_common.schemas.oidc import OidcConfig
from toolhive_proxy.models.http import Header, Response
from toolhive_proxy.models.tokens import ProviderDown, RefusalKind, Refused

__all__ = ["WELL_KNOWN", "Challenger", "metadata_answer", "metadata_path_of", "not_found"]

WELL_KNOWN = "/.well-known/oauth-protected-resource"
"""Where RFC 9728 has the metadata of what is at ``/``; that of ``/x`` is at this and ``/x``."""

_JSON: Header = (b"content-type", b"application/json")
_CORS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, OPTIONS"),
    (b"access-control-allow-headers", b"mcp-protocol-version, Content-Type, Authorization"),
    (b"access-control-max-age", b"86400"),
)
_UNFIT_TEXT = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
"""What RFC 6750 does not allow in ``error_description``."""
_UNFIT_VALUE = re.compile(r"[^\x20-\x7e]")
_STATUS = {RefusalKind.INSUFFICIENT_SCOPE: 403}


@dataclass(frozen=True)
class Challenger:
    """Answers those who may not pass."""

    issuer: str
    resource: str
    """URL of what they want."""
    scopes: tuple[str, ...] = ()

    @classmethod
    def of(cls, oidc: OidcConfig, endpoint: str) -> "Challenger":
        """Make the one of a workload whose clients reach it at the URL ``endpoint``."""
        return cls(oidc.issuer, oidc.resource_url or endpoint, oidc.told_scopes)

    def refuse(self, refused: Refused) -> Response:
        """Answer 401 or 403, and say how to do better."""
        parts = {
            "realm": self.issuer,
            "resource_metadata": _metadata_url(self.resource),
            "scope": " ".join(self.scopes),
            "error": refused.kind.value,
        }
        rendered = [f'{name}="{_quoted(value)}"' for name, value in parts.items() if value]
        rendered.append(f'error_description="{_UNFIT_TEXT.sub("?", refused.description)}"')
        challenge = f"Bearer {', '.join(rendered)}".encode("ascii")
        body = orjson.dumps({"error": refused.kind.value, "error_description": refused.description})
        return Response(_STATUS.get(refused.kind, 401), body, (_JSON, (b"www-authenticate", challenge)))

    def put_off(self, down: ProviderDown) -> Response:
        """Answer 503. A 401 would make clients throw away tokens that are good."""
        body = {
            "error": "temporarily_unavailable",
            "error_description": "no token can be checked, since the identity provider does not answer; try again",
        }
        return Response(503, orjson.dumps(body), (_JSON, (b"retry-after", b"%d" % down.retry_after)))


def metadata_answer(method: str, oidc: OidcConfig | None, endpoint: str) -> Response:
    """Answer a request for the metadata of a workload; without authentication there is none.

    Parameters
    ----------
    endpoint
        URL that clients reach the workload under.
    """
    if oidc is None:
        return not_found()
    if method == "OPTIONS":
        return Response(204, b"", _CORS)
    if method not in {"GET", "HEAD"}:
        return Response(405, b'{"error":"use GET"}', (_JSON, (b"allow", b"GET, HEAD, OPTIONS"), *_CORS))
    body: dict[str, object] = {
        "resource": oidc.resource_url or endpoint,
        "authorization_servers": [oidc.issuer] if oidc.issuer else [],
        "bearer_methods_supported": ["header"],
    }
    if oidc.jwks_url and not oidc.issuer:
        body["jwks_uri"] = oidc.jwks_url
    body["scopes_supported"] = list(oidc.told_scopes) or ["openid"]
    return Response(200, orjson.dumps(body), (_JSON, *_CORS))


def metadata_path_of(path: str) -> str | None:
    """Path of a request -> path of the endpoint whose metadata it asks for; ``None`` when it asks for none.

    ``/.well-known/oauth-protected-resource/time/mcp`` and ``/time/.well-known/oauth-protected-resource`` both ask for
    that of the workload at ``/time``; the name alone without a front is as good. Empty = what is at the root.
    """
    before, found, after = path.partition(WELL_KNOWN)
    if not found or (before and after) or (after and not after.startswith("/")):
        return None
    return (before or after).rstrip("/")


def not_found() -> Response:
    """Answer what asks for any other well-known address."""
    return Response(404, b'{"error":"not_found"}', (_JSON,))


def _metadata_url(resource: str) -> str:
    try:
        parts = urlsplit(resource)
    except ValueError:
        return ""
    if not (parts.scheme and parts.netloc):
        return ""
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{'' if parts.path == '/' else parts.path}"


def _quoted(value: str) -> str:
    return _UNFIT_VALUE.sub("?", value).replace("\\", "\\\\").replace('"', '\\"')
