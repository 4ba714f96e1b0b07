"""Incoming authentication, in the two spellings that ToolHive has: the REST API's, and that of RunConfig files."""

from collections.abc import Mapping
from typing import Any

from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.workload import OidcOptions

__all__ = ["from_run_config", "to_run_config"]

_KEYS = {
    "issuer": "Issuer",
    "audience": "Audience",
    "jwks_url": "JWKSURL",
    "introspection_url": "IntrospectionURL",
    "client_id": "ClientID",
    "client_secret": "ClientSecret",
    "ca_cert_path": "CACertPath",
    "auth_token_file": "AuthTokenFile",
    "resource_url": "ResourceURL",
    "allow_private_ip": "AllowPrivateIP",
    "insecure_allow_http": "InsecureAllowHTTP",
}
"""Key of the REST API to key of the file: the names of Go's fields, since ToolHive gave them no others."""


def to_run_config(options: OidcOptions) -> dict[str, Any]:
    """Spell it as RunConfig files do, where nothing is left out but the key that ToolHive does not have."""
    found = {key: getattr(options, name) for name, key in _KEYS.items()}
    required = {"RequiredScopes": list(options.required_scopes)} if options.required_scopes else {}
    return {**found, "Scopes": list(options.scopes) or None, **required}


def from_run_config(config: Mapping[str, Any]) -> OidcOptions:
    """Spell it as the REST API does.

    Raises
    ------
    pydantic.ValidationError
        A value is of the wrong kind, or a key is there twice.
    """
    return OidcOptions.model_validate(OidcConfig.model_validate(config).model_dump())
