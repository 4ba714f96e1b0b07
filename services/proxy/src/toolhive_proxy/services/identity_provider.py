"""What is asked of an identity provider: where its keys are, the keys, and whether a token is alive."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from toolhive_common.schemas.oidc import OidcConfig
from toolhive_proxy.adapters.provider_http import ProviderAnswer, ProviderHttp
from toolhive_proxy.errors import ProviderError
from toolhive_proxy.models.tokens import VerificationKey
from toolhive_proxy.protocol.provider_urls import discovery_urls

__all__ = ["IdentityProvider", "ReadKeys"]

ReadKeys = Callable[[Mapping[str, Any]], tuple[VerificationKey, ...]]
_OK = 200


class IdentityProvider:
    """The provider of one workload.

    Parameters
    ----------
    client_secret
        What the proxy shows to ask about tokens.
    """

    def __init__(self, http: ProviderHttp, oidc: OidcConfig, read_keys: ReadKeys, client_secret: str) -> None:
        self._http = http
        self._oidc = oidc
        self._read_keys = read_keys
        self._client_secret = client_secret
        self._jwks_url = oidc.jwks_url

    @property
    def has_keys(self) -> bool:
        """Whether it can be asked for keys."""
        return bool(self._oidc.issuer or self._oidc.jwks_url)

    @property
    def can_introspect(self) -> bool:
        """Whether it can be asked about tokens."""
        return bool(self._oidc.introspection_url)

    async def keys(self) -> tuple[VerificationKey, ...]:
        """Ask for its keys; first for their address, when nobody told it.

        Raises
        ------
        ProviderError
            There are none to be had.
        """
        if not self._jwks_url:
            self._jwks_url = await self._discover()
        answer = await self._http.get(self._jwks_url)
        document = _object(self._jwks_url, answer)
        keys = self._read_keys(document)
        if not keys:
            raise ProviderError(self._jwks_url, "it holds no key that tokens could be checked with")
        return keys

    async def claims_of(self, token: str) -> Mapping[str, Any] | None:
        """Ask what it says about a token (RFC 7662); ``None`` when it is not alive.

        Raises
        ------
        ProviderError
            It does not say.
        """
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        url = self._oidc.introspection_url
        answer = await self._http.post(url, form, user=self._oidc.client_id, password=self._client_secret)
        document = _object(url, answer)
        return document if document.get("active") is True else None

    async def _discover(self) -> str:
        """Find the address of the keys in the issuer's metadata."""
        urls = discovery_urls(self._oidc.issuer)
        answer = ProviderAnswer(0, b"")
        for url in urls:
            answer = await self._http.get(url)
            if answer.status == _OK:
                return self._keys_in(url, answer)
        raise ProviderError(urls[0], f"it answers {answer.status}; check Issuer, or give JWKSURL")

    def _keys_in(self, url: str, answer: ProviderAnswer) -> str:
        document = _object(url, answer)
        issuer, found = document.get("issuer"), document.get("jwks_uri")
        if issuer != self._oidc.issuer:
            said = repr(issuer)[:200]
            raise ProviderError(url, f"it calls itself {said}; write Issuer letter by letter like that")
        if not isinstance(found, str) or not found:
            raise ProviderError(url, "it does not say where its keys are (jwks_uri); give JWKSURL")
        return found


def _object(url: str, answer: ProviderAnswer) -> Mapping[str, Any]:
    if answer.status != _OK:
        raise ProviderError(url, f"it answers {answer.status}")
    try:
        value = orjson.loads(answer.body)
    except ValueError as error:
        raise ProviderError(url, "its answer is no JSON") from error
    if not isinstance(value, dict):
        raise ProviderError(url, "its answer is no JSON object")
    return value
