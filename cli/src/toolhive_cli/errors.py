"""Why a command cannot do what it was asked.

    ToolHiveError
      ApiUnreachableError      nothing answers at the API's address
      ApiRefusedError          the API answered with an error
      UnexpectedAnswerError    something answers there, but not as the API does
      InvalidFlagError         a flag's value makes no sense
      UnsupportedFlagError     a flag or command of ToolHive that this version does not act on
      UnknownWorkloadError     no workload has the name
      NotReadyError            the workload was made, but does not serve
      NotDoneError             some of several workloads failed

Every message says what happened, why, and what to do.
"""

from collections.abc import Sequence

from toolhive_common.errors import ErrorCode, ToolHiveError

__all__ = [
    "ApiRefusedError",
    "ApiUnreachableError",
    "InvalidFlagError",
    "NotDoneError",
    "NotReadyError",
    "UnexpectedAnswerError",
    "UnknownWorkloadError",
    "UnsupportedFlagError",
]

_CODES = {
    400: ErrorCode.INVALID_REQUEST,
    404: ErrorCode.WORKLOAD_NOT_FOUND,
    409: ErrorCode.WORKLOAD_EXISTS,
    503: ErrorCode.ENGINE_UNREACHABLE,
    504: ErrorCode.TIMEOUT,
}


class ApiUnreachableError(ToolHiveError):
    """Nothing answers at the API's address."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            ErrorCode.INTERNAL,
            f"cannot reach the ToolHive API at {url}: {cause}. Start the stack with 'make up', or say where "
            "it is with --api-url or TOOLHIVE_API_URL",
        )


class ApiRefusedError(ToolHiveError):
    """The API answered with an error.

    Parameters
    ----------
    status
        HTTP status.
    text
        The API's sentence for the user; empty when it gave none.
    code
        The cause, where the API names it; else it is taken from the status.
    """

    def __init__(self, status: int, text: str, code: ErrorCode | None = None) -> None:
        message = text.strip() or f"the API answered with status {status} and no reason; its log says more"
        super().__init__(code or _CODES.get(status, ErrorCode.INTERNAL), message)
        self.status = status


class UnexpectedAnswerError(ToolHiveError):
    """What answers is not the API, or one of another version."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            ErrorCode.INTERNAL,
            f"{url} does not answer as the ToolHive API does ({problem}). Check --api-url and TOOLHIVE_API_URL, and "
            "that thv and the API are of the same version",
        )


class InvalidFlagError(ToolHiveError):
    """A flag's value makes no sense."""

    def __init__(self, flag: str, problem: str) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, f"{flag}: {problem}")


class UnsupportedFlagError(ToolHiveError):
    """A flag or command that ToolHive has and this version does not act on."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            ErrorCode.UNSUPPORTED_SETTING, f"{what} is not supported by this version of ToolHive for Python: {reason}"
        )


class UnknownWorkloadError(ToolHiveError):
    """No workload has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            ErrorCode.WORKLOAD_NOT_FOUND, f"there is no workload '{name}'; 'thv list --all' shows those that exist"
        )


class NotReadyError(ToolHiveError):
    """The workload was made, but does not serve."""

    def __init__(self, name: str, problem: str, advice: str) -> None:
        super().__init__(ErrorCode.SERVER_NOT_READY, f"'{name}' {problem}\n{advice}")


class NotDoneError(ToolHiveError):
    """Some of several workloads failed; each was told of by itself."""

    def __init__(self, verb: str, failed: Sequence[str], total: int) -> None:
        super().__init__(
            ErrorCode.INTERNAL, f"could not {verb} {len(failed)} of {total} workloads: {', '.join(failed)}"
        )
