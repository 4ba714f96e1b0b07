"""What ``thv run --from-config`` asks the API for."""

from dataclasses import dataclass

from toolhive_cli.errors import InvalidFlagError, UnsupportedFlagError
from toolhive_common.middleware.parts import InvalidMiddlewareError
from toolhive_common.middleware.plan import plan_middleware
from toolhive_common.names import check_workload_name
from toolhive_common.requests import to_create_request
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.workload import CreateRequest
from toolhive_common.unsupported import unsupported_parts

__all__ = ["Import", "plan_import"]

_FLAG = "--from-config"


@dataclass(frozen=True)
class Import:
    """A request, and what of the file it leaves out."""

    request: CreateRequest
    notice: str = ""
    """For the user: what will not be as the file has it, and does no harm."""


def plan_import(path: str, config: RunConfig) -> Import:
    """Turn a RunConfig file into the request for the API.

    Parameters
    ----------
    path
        Of the file, for messages.

    Raises
    ------
    InvalidFlagError, InvalidNameError
        The file makes no sense.
    UnsupportedFlagError, UnsupportedPartsError
        Parts of it would have no effect.
    """
    check_workload_name(config.name)
    profile = config.permission_profile or BUILTIN_PROFILES.get(config.permission_profile_name_or_path)
    config = config.model_copy(update={"permission_profile": profile})
    if parts := unsupported_parts(config):
        raise UnsupportedFlagError(f"{_FLAG} {path}: {', '.join(parts)}", "take it out of the file")
    try:
        plan_middleware(config)
    except InvalidMiddlewareError as error:  # the API would say the same in its own names of the keys
        raise InvalidFlagError(_FLAG, f"{path}: {error.message}") from error
    request = to_create_request(config)
    notice = ""
    if config.port:
        notice = f"The file's port {config.port} is not used: one proxy serves all workloads on its own port"
    return Import(request.model_copy(update={"proxy_port": 0}), notice)
