"""Where foreign errors become ours. No other module of this package catches them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker.errors

from toolhive_runtime.errors import EngineFault, EnginePermissionDeniedError, EngineUnreachableError, RuntimeFailure

__all__ = ["translated_api", "translated_socket"]


@contextmanager
def translated_socket(path: str) -> Iterator[None]:
    """Translate what goes wrong between us and the engine's socket."""
    try:
        yield
    except PermissionError as error:
        raise EnginePermissionDeniedError(path) from error
    except FileNotFoundError as error:
        raise EngineUnreachableError(path, "there is no such socket") from error
    except ConnectionRefusedError as error:
        raise EngineUnreachableError(path, "nothing listens on it") from error
    except (TimeoutError, asyncio.LimitOverrunError) as error:
        raise EngineUnreachableError(path, "no answer in time") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise EngineUnreachableError(path, "the connection broke") from error


@contextmanager
def translated_api(
    path: str, refusal: Callable[[int, str], RuntimeFailure] = EngineFault, *, missing_is_fine: bool = False
) -> Iterator[None]:
    """Translate what the ``docker`` library raises.

    Parameters
    ----------
    refusal
        Says what the engine's refusal (HTTP status, sentence) means for this call.
    missing_is_fine
        Whether 404 is what was wanted anyway.
    """
    try:
        yield
    except docker.errors.NotFound as error:
        if not missing_is_fine:
            raise refusal(404, _sentence(error)) from error
    except docker.errors.APIError as error:
        raise refusal(error.status_code or 0, _sentence(error)) from error
    except (OSError, docker.errors.DockerException) as error:  # what requests raises is an OSError too
        with translated_socket(path):
            raise _root_cause(error) from error


def _sentence(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)


def _root_cause(error: BaseException) -> Exception:
    """Find the error of the operating system under the layers of requests and urllib3."""
    seen: list[BaseException] = [error]
    for layer in seen:
        if isinstance(layer, OSError) and type(layer).__module__ == "builtins":
            return layer
        inner = [*layer.args, getattr(layer, "reason", None), layer.__cause__, layer.__context__]
        seen += [item for item in inner if isinstance(item, BaseException) and item not in seen]
    return ConnectionError(str(error))
