"""Configuration from the environment, read once at start-up."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolhive_common.access import Role
from toolhive_common.messaging.bus import BusSettings

__all__ = ["Settings"]


class Settings(BaseSettings):
    """All settings of this process: variables ``TOOLHIVE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TOOLHIVE_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    nats_url: str = "nats://127.0.0.1:4222"
    nats_password: SecretStr = SecretStr("")
    nats_ca_file: Path | None = None
    database_url: str = "sqlite+aiosqlite:///toolhive.db"
    """``sqlite+aiosqlite:///<path>`` or ``postgresql+asyncpg://…``; may hold a password."""
    proxy_public_url: str = Field(default="http://127.0.0.1:8081", pattern="^https?://.+")
    """Where clients reach the proxy."""
    agent: str = "default"
    """Agent that new workloads go to."""
    events_kept: timedelta = timedelta(days=7)
    allowed_hosts: str = ""
    """Names that clients may call this API by, besides those of the own machine; separated by commas."""
    openapi: bool = True
    """Whether to serve ``/api/openapi.json`` and ``/api/doc``."""

    @property
    def proxy_url(self) -> str:
        """The proxy's address without a slash at the end."""
        return self.proxy_public_url.rstrip("/")

    @property
    def host_names(self) -> tuple[str, ...]:
        """The allowed hosts, one by one."""
        return tuple(self.allowed_hosts.split(","))

    @property
    def bus(self) -> BusSettings:
        """How to reach NATS."""
        return BusSettings(
            url=self.nats_url,
            role=Role.API,
            password=self.nats_password.get_secret_value(),
            name="toolhive-api",
            ca_file=self.nats_ca_file,
        )
