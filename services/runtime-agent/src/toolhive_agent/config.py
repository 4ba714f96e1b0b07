"""Settings, from the environment."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolhive_runtime.decisions.container_spec import EXTERNAL_NETWORK

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Everything that can be set. Each field is the variable ``TOOLHIVE_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="TOOLHIVE_", frozen=True, extra="ignore")

    nats_url: str = "nats://127.0.0.1:4222"
    nats_password: SecretStr = SecretStr("")
    nats_ca_file: Path | None = None
    log_level: str = "INFO"
    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)
    """Of ``/healthz`` and ``/readyz``."""
    agent_name: str = Field(default="default", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$")
    builder_image_uvx: str = ""
    """Base image for packages of each scheme; empty = ToolHive's."""
    builder_image_npx: str = ""
    builder_image_go: str = ""
    ca_bundle: Path | None = None
    """Certificate authorities, PEM, that images of packages shall trust."""
    network: str = EXTERNAL_NETWORK
    """The network of servers that are not isolated; the proxy stands in it too."""
    restart_delay: float = Field(default=5.0, gt=0)
    """Seconds before the first restart of a server that died; doubled for each next one."""
    restart_delay_max: float = Field(default=60.0, gt=0)
    prepare_timeout: float = Field(default=1800.0, gt=0)
    """Seconds after which a pull or build of an image is given up: only a few run at once, and others wait."""
    startup_grace: float = Field(default=1.0, ge=0)
    """Seconds that a stdio server must live to be called running."""
    ready_timeout: float = Field(default=300.0, gt=0)
    """Seconds after which an HTTP server that does not listen is called unhealthy."""
    stop_grace: float = Field(default=10.0, ge=0)
    """Seconds between asking a server to end and making it."""
    session_ttl: float = Field(default=7200.0, gt=0)
    """Seconds after which a session of a stdio server that nobody uses ends."""
    max_sessions: int = Field(default=1000, ge=1)
    """Sessions of one stdio server that are open at once."""
    stdio_max_processes: int = Field(default=100, ge=1)
    """Containers that one stdio server may have besides its first one: for an era, or one for each session."""
    resync: float = Field(default=30.0, gt=0)
    """Seconds between two looks at everything."""
    heartbeat: float = Field(default=5.0, gt=0)

    def builder_images(self) -> dict[str, str]:
        """Base images that are set, by scheme."""
        images = {"uvx": self.builder_image_uvx, "npx": self.builder_image_npx, "go": self.builder_image_go}
        return {scheme: image for scheme, image in images.items() if image}
