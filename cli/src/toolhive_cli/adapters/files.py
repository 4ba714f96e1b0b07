"""Files that the command line names."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from toolhive_cli.errors import InvalidFlagError
from toolhive_common.given import unknown_keys
from toolhive_common.problems import problem_of
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.permissions import PermissionProfile
from toolhive_common.schemas.runconfig import RunConfig, ToolOverride

__all__ = ["absolute_source", "read_permission_profile", "read_run_config", "read_text", "read_tools_override"]

_M = TypeVar("_M", bound=Wire)


def read_text(flag: str, path: str) -> str:
    """Read a file that a flag names.

    Raises
    ------
    InvalidFlagError
    """
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidFlagError(flag, f"cannot read {path}: {reason}") from error


def read_permission_profile(path: str) -> PermissionProfile:
    """Read a permission profile from a JSON file.

    Raises
    ------
    InvalidFlagError
    """
    return _read("--permission-profile", path, PermissionProfile, "permission profile")


def read_run_config(path: str) -> RunConfig:
    """Read a RunConfig from a file as ToolHive's ``thv export`` writes it.

    Raises
    ------
    InvalidFlagError
    """
    return _read("--from-config", path, RunConfig, "RunConfig")


class _ToolsOverride(Wire):
    overrides: dict[str, ToolOverride] = Field(alias="toolsOverride")


def read_tools_override(path: str) -> dict[str, ToolOverride]:
    """Read ``{"toolsOverride": {"tool": {"name": ..., "description": ...}}}``.

    Raises
    ------
    InvalidFlagError
    """
    return _read("--tools-override", path, _ToolsOverride, "list of overrides").overrides


def _read(flag: str, path: str, model: type[_M], kind: str) -> _M:
    text = read_text(flag, path)
    try:
        given = json.loads(text)
        if unknown := unknown_keys(model, given):
            raise InvalidFlagError(flag, f"{path} is no {kind}: {unknown}")
        return model.from_json(text)
    except json.JSONDecodeError as error:
        raise InvalidFlagError(flag, f"{path} is no JSON: {error}") from error
    except ValidationError as error:
        # The place, never the value: it may be a secret.
        first = error.errors(include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidFlagError(flag, f"{path} is no {kind}: {where or 'it'} {problem_of(first)}") from error


def absolute_source(volume: str, *, must_exist: bool) -> str:
    """Make the host's side of ``host:container[:ro]`` absolute: what makes the container is in another folder.

    Raises
    ------
    InvalidFlagError
    """
    source, colon, rest = volume.partition(":")
    if not colon or not source or not rest:
        raise InvalidFlagError(
            "--volume", f"{volume!r} is not HOST-PATH:CONTAINER-PATH or HOST-PATH:CONTAINER-PATH:ro"
        )
    path = Path(source).expanduser().absolute()
    if must_exist and not path.exists():
        raise InvalidFlagError("--volume", f"there is no {path} on this machine")
    return f"{path}:{rest}"
