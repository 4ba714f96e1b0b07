"""Incoming authentication of a workload, as it stands in a RunConfig."""

from pydantic import Field, field_validator

from toolhive_common.schemas.base import GoNames

__all__ = ["OidcConfig"]


class OidcConfig(GoNames):
    """``oidc_config`` of a RunConfig. Its keys are the names of Go's fields, since ToolHive gave them no others."""

    issuer: str = Field(default="", alias="Issuer")
    """``iss`` that every token must have, and where its keys are found when ``jwks_url`` is empty."""
    audience: str = Field(default="", alias="Audience")
    """``aud`` that every token must have; empty = any."""
    jwks_url: str = Field(default="", alias="JWKSURL")
    client_id: str = Field(default="", alias="ClientID")
    client_secret: str = Field(default="", alias="ClientSecret", repr=False)
    ca_cert_path: str = Field(default="", alias="CACertPath")
    """Certificate authority of the provider, when the system does not know it."""
    auth_token_file: str = Field(default="", alias="AuthTokenFile")
    """Token that the provider asks for before it gives its keys; read anew each time, because it is rotated."""
    allow_private_ip: bool = Field(default=False, alias="AllowPrivateIP")
    insecure_allow_http: bool = Field(default=False, alias="InsecureAllowHTTP")
    introspection_url: str = Field(default="", alias="IntrospectionURL")
    """Where tokens are asked about that are no JWT."""
    resource_url: str = Field(default="", alias="ResourceURL")
    """What the workload is called in its RFC 9728 metadata; empty = where clients reach it."""
    scopes: tuple[str, ...] = Field(default=(), alias="Scopes")
    """Scopes that clients are told to ask for. As in ToolHive, a token without them passes."""
    required_scopes: tuple[str, ...] = Field(default=(), alias="RequiredScopes")
    """Scopes without which a token is refused. A key of ours, which ToolHive passes over."""

    @field_validator("scopes", "required_scopes", mode="before")
    @classmethod
    def _read_null(cls, value: object) -> object:
        """Read Go's ``null`` for a list that nobody set."""
        return () if value is None else value

    @property
    def is_set(self) -> bool:
        """Whether it says where tokens come from."""
        return bool(self.issuer or self.jwks_url or self.introspection_url)

    @property
    def told_scopes(self) -> tuple[str, ...]:
        """Scopes that clients are told of, each once."""
        return tuple(dict.fromkeys((*self.required_scopes, *self.scopes)))
