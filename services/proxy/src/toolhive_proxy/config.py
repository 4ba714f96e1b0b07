"""Settings of the proxy, from the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolhive_proxy.decisions.neighbours import parse_networks
from toolhive_proxy.errors import SettingError
from toolhive_proxy.models.links import Network

__all__ = ["Settings"]

_Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """Variables ``TOOLHIVE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TOOLHIVE_", extra="forbid", frozen=True)

    nats_url: str = "nats://127.0.0.1:4222"
    nats_password: SecretStr = SecretStr("")
    nats_ca_file: Path | None = None
    """Certificate authority of a ``tls://`` server that the system does not know."""
    log_level: str = "INFO"
    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=0, le=65535)
    proxy_public_url: str = "http://127.0.0.1:8081"
    """Address that clients reach this proxy under."""
    proxy_request_timeout: _Seconds = 60.0
    """Seconds that a server may stay silent during a call."""
    proxy_max_body: int = Field(default=8 * 1024 * 1024, gt=0)
    """Bytes of a request."""
    proxy_max_message: int = Field(default=64 * 1024 * 1024, gt=0)
    """Bytes of a message of a stdio or SSE server."""
    proxy_slow_client: _Seconds = 10.0
    """Seconds that a server is held back for a client that does not read, before the client is cut off."""
    proxy_quick_answer: float = Field(default=5.0, ge=1.0)
    """Seconds that an answer may take to be sent whole. A later one comes on a stream that its client can resume, but
    some clients take no event over 1 MiB."""
    proxy_session_ttl: _Seconds = 7200.0
    """Seconds after which a session that nobody uses ends."""

    proxy_max_sessions: int = Field(default=1000, gt=0)
    """Sessions of one workload that are open at once."""
    proxy_metrics_port: int = Field(default=9464, ge=0, le=65535)
    """Where Prometheus finds ``/metrics``; 0 = nowhere."""
    proxy_neighbours: str = "*"
    """Networks (``172.18.0.0/16``, with commas between several) of this machine, or container, whose hosts may call;
    ``*`` = all. Whoever comes through the gateway of a network, as a published port does, is no neighbour."""
    ca_bundle: Path | None = None
    """Certificate authorities that remote servers may have besides those the system knows. May be empty."""
    oidc_client_secret: SecretStr = SecretStr("")
    """What the proxy shows to ask an identity provider about tokens, where a RunConfig has none."""

    @property
    def ca_certificates(self) -> str:
        """What `ca_bundle` holds; empty for none.

        Raises
        ------
        SettingError
            It cannot be read.
        """
        return _read("TOOLHIVE_CA_BUNDLE", self.ca_bundle)

    def require_files(self) -> None:
        """See to it that the files are there, before anything is begun.

        Raises
        ------
        SettingError
            One cannot be read.
        """
        _read("TOOLHIVE_CA_BUNDLE", self.ca_bundle)
        _read("TOOLHIVE_NATS_CA_FILE", self.nats_ca_file)

    @field_validator("proxy_neighbours")
    @classmethod
    def _check_neighbours(cls, value: str) -> str:
        parse_networks(value)
        return value

    @property
    def neighbours(self) -> tuple[Network, ...]:
        """`proxy_neighbours`, read."""
        return parse_networks(self.proxy_neighbours)

    @property
    def public_url(self) -> str:
        """`proxy_public_url` without a slash at the end."""
        return self.proxy_public_url.rstrip("/")


def _read(variable: str, path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise SettingError(variable, path, error) from error
