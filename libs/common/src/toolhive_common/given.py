"""Keys of what a user gives that mean nothing.

A message of a later version may hold keys that are not known here, and stays readable: ToolHive's readers pass over
them. In what a user writes such a key is a misspelt one, and to pass over it would leave open what it was to lock.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from toolhive_common.middleware.reading import PARAMETERS
from toolhive_common.schemas.base import GoNames, Wire
from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.runconfig import MiddlewareConfig, RunConfig

__all__ = ["unknown_keys"]

_REQUEST_TO_FILE = {
    "tools": "tools_filter",
    "oidc": "oidc_config",
    "url": "remote_url",
    "cmd_arguments": "cmd_args",
    "labels": "container_labels",
    "network_isolation": "isolate_network",
    "proxy_port": "port",
}
"""Keys that the REST API and RunConfig files call differently: one is easily taken for the other."""
_ELSEWHERE = {**{file: request for request, file in _REQUEST_TO_FILE.items()}, **_REQUEST_TO_FILE}
_MOST = 5
"""Keys that are told of at once."""


def unknown_keys(model: type[Wire], given: object) -> str:
    """Name what in a user's JSON is no key, each with the nearest that is one; empty when there is nothing.

    Parameters
    ----------
    model
        What it shall be read as.
    given
        What the JSON holds, in whatever form: what does not fit is left for the model to refuse.
    """
    found = list(_in_model(model, given, ""))
    rest = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + rest


def _in_model(model: type[Wire], given: object, place: str) -> Iterator[str]:
    if not isinstance(given, Mapping):
        return
    known = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    for key, value in given.items():
        name = _named(str(key), known, any_case=issubclass(model, GoNames))
        if name is None:
            yield _told(str(key), known, place)
        else:
            yield from _in_value(_kind(model, name, known[name], given), value, f"{place}{name}.")


def _named(key: str, known: Collection[str], *, any_case: bool) -> str | None:
    if any_case:
        return next((name for name in known if name.lower() == key.lower()), None)
    return key if key in known else None


def _kind(model: type[Wire], name: str, annotation: Any, given: Mapping[Any, Any]) -> Any:
    """Say what a value is, also where its model keeps it as it came."""
    if model is RunConfig and name == "oidc_config":
        return OidcConfig
    if model is MiddlewareConfig and name == "parameters":
        return next((kind for part, kind in PARAMETERS.items() if part == given.get("type")), None)
    return annotation


def _in_value(kind: Any, value: object, place: str) -> Iterator[str]:
    if isinstance(kind, type) and issubclass(kind, Wire):
        yield from _in_model(kind, value, place)
    elif get_origin(kind) is dict and isinstance(value, Mapping):
        for key, one in value.items():
            yield from _in_value(get_args(kind)[1], one, f"{place}{str(key)[:80]}.")
    elif get_origin(kind) is tuple and isinstance(value, list):
        for number, one in enumerate(value):
            yield from _in_value(get_args(kind)[0], one, f"{place}{number}.")
    elif get_origin(kind) not in {dict, tuple}:
        for other in get_args(kind):  # of a union
            yield from _in_value(other, value, place)


def _told(key: str, known: Collection[str], place: str) -> str:
    names = {**{other: name for other, name in _ELSEWHERE.items() if name in known}, **{name: name for name in known}}
    plain = {_plain(name): meant for name, meant in names.items()}
    near = get_close_matches(_plain(key), plain, n=1, cutoff=0.75)
    hint = f"did you mean {plain[near[0]]}?" if near else "correct it, or leave it out"
    return f"{f'{place}{key}'[:200]!r} is no key that is known here; {hint}"


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")[:80]
