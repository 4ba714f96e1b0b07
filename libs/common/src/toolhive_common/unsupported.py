"""Which parts of a RunConfig this version does not act on.

They are named, so that they can be refused: whoever sets a limit must not believe that it holds when it does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from toolhive_common.middleware.plan import unsupported_middleware
from toolhive_common.schemas.runconfig import RunConfig

__all__ = ["unsupported_parts"]

_KEYS = (
    "remote_auth_config",
    "secrets",
    "k8s_pod_template_patch",
    "allow_docker_gateway",
    "env_file_dir",
    "thv_ca_bundle",
    "jwks_auth_token_file",
    "scaling_config",
)
_OIDC_KEYS = ("ClientSecret", "CACertPath", "AuthTokenFile")
"""A secret that would lie open in the database, and files that no service here can read."""
_OWN_HOST = frozenset({"", "127.0.0.1", "localhost", "0.0.0.0"})  # noqa: S104  # compared with, not bound


def unsupported_parts(run_config: RunConfig) -> list[str]:
    """Name the parts that would have no effect, as they are written in a RunConfig file."""
    return list(dict.fromkeys((*unsupported_middleware(run_config), *_found(run_config))))


def _found(config: RunConfig) -> Iterator[str]:
    yield from (key for key in _KEYS if getattr(config, key))
    yield from (f"oidc_config.{key}" for key in _oidc_keys(config.oidc_config))
    if config.target_host not in _OWN_HOST:
        yield "target_host"
    if config.permission_profile is None and config.permission_profile_name_or_path:
        yield "permission_profile_name_or_path"
    if config.ignore_config and config.ignore_config.load_global and config.volumes:
        yield "ignore_config.LoadGlobal"
    for link in (*config.middleware_configs, *config.additional_middleware_configs):
        if link.type == "auth" and isinstance(link.parameters, Mapping):
            yield from (f"the middleware 'auth' with {key}" for key in _oidc_keys(link.parameters.get("oidc_config")))


def _oidc_keys(config: Any) -> list[str]:
    if not isinstance(config, Mapping):
        return []
    given = {str(key).lower() for key, value in config.items() if value}
    return [key for key in _OIDC_KEYS if key.lower() in given]
