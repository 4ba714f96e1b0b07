"""Causes of the proxy's own failures.

ToolHiveError
  UpstreamError       an HTTP server failed; ``trouble`` says how
  LinkBrokenError     a session's way to its server is gone
  HttpRefusedError    a request breaks a rule of HTTP; ``status`` says which kind
  SlowClientError     a client does not read
  ClientLeftError     a client is gone
  AddressError        the address to listen on cannot be had
  RunConfigError      the file that says what is served cannot be used
  NoRunConfigError    there is no such file
  SettingError        a variable names a file that cannot be read
  EnvFilesError       the files with variables of a server cannot be used
  ContainerGoneError  a detached proxy's container is not there, or not any more
  StaleRouteError     a workload changed while a request for it waited
  FurtherProcessError a further process of a stdio server does not run
  NameTakenError      another workload has the name of a further process
  ProviderError       an identity provider does not give what it is asked for
  BadSignatureError   a token was not signed by whom it says
"""

from collections.abc import Sequence

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_proxy.models.upstream import UpstreamTrouble

__all__ = [
    "RUN_CONFIG_FILE",
    "AddressError",
    "BadSignatureError",
    "ClientLeftError",
    "ContainerGoneError",
    "EnvFilesError",
    "FurtherProcessError",
    "HttpRefusedError",
    "LinkBrokenError",
    "NameTakenError",
    "NoRunConfigError",
    "ProviderError",
    "RunConfigError",
    "SettingError",
    "SlowClientError",
    "StaleRouteError",
    "UpstreamError",
]


RUN_CONFIG_FILE = (
    "a RunConfig file as ToolHive's `thv export` writes: it needs name, transport and port, and target_port where "
    "the server speaks HTTP"
)
"""What a proxy of one workload has to be given."""


class UpstreamError(ToolHiveError):
    """An HTTP server failed."""

    def __init__(self, trouble: UpstreamTrouble, detail: str) -> None:
        silent = trouble is UpstreamTrouble.SILENT
        code = ErrorCode.TIMEOUT if silent else ErrorCode.SERVER_NOT_READY
        super().__init__(code, f"the server is {trouble.value}: {detail}")
        self.trouble = trouble
        self.detail = detail


class LinkBrokenError(ToolHiveError):
    """A session's way to its server is gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.SERVER_NOT_READY, reason)


class AddressError(ToolHiveError):
    """The address to listen on cannot be had."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        super().__init__(
            ErrorCode.INTERNAL,
            f"the proxy cannot listen on {host}:{port}: {cause.strerror or cause}; stop what uses that address, "
            "or choose another: TOOLHIVE_HOST and TOOLHIVE_PORT, or host and port of the workload's RunConfig",
        )


class RunConfigError(ToolHiveError):
    """The file that says what is served cannot be used. Its values stand in no message."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"the RunConfig file {path} cannot be used: {problem}; give {RUN_CONFIG_FILE}",
        )


class SettingError(ToolHiveError):
    """A variable of the environment names a file that cannot be read."""

    def __init__(self, variable: str, path: object, cause: OSError | UnicodeError) -> None:
        reason = cause.strerror or str(cause) if isinstance(cause, OSError) else "it is no text"
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"{variable} names the file {path}, which cannot be read: {reason}; correct the variable or leave it out",
        )


class NoRunConfigError(ToolHiveError):
    """Nothing says what is served."""

    def __init__(self, places: Sequence[str]) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"there is no RunConfig: none of {', '.join(places)} exists; mount the ConfigMap that holds "
            "runconfig.json at /etc/runconfig, or run this where the file is",
        )


class EnvFilesError(ToolHiveError):
    """The files of ``env_file_dir`` cannot be used. Their values stand in no message."""

    def __init__(self, folder: str, problem: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"the files of env_file_dir {folder[:200]!r} cannot be read ({problem}); mount them into this pod, or "
            "take the setting out of the RunConfig",
        )


class FurtherProcessError(ToolHiveError):
    """A further process of a stdio server does not run."""

    def __init__(self, slot: str, reason: str) -> None:
        super().__init__(
            ErrorCode.SERVER_NOT_READY, f"a further process of the server ({slot}) does not run: {reason}"
        )


class NameTakenError(ToolHiveError):
    """Another workload has the name that a further process needs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            ErrorCode.CONTAINER_NAME_TAKEN,
            f"a further process of the server cannot be run: a StatefulSet {name} is there and belongs to another "
            "workload; give one of the two another name",
        )


class ContainerGoneError(ToolHiveError):
    """A detached proxy's container is not there, or not any more."""

    def __init__(self, workload: str, container: str = "") -> None:
        told = f"there is no container {container!r} for" if container else "somebody removed the container of"
        super().__init__(
            ErrorCode.WORKLOAD_NOT_FOUND, f"{told} the workload {workload!r}; run the workload again to make one"
        )


class HttpRefusedError(ToolHiveError):
    """A request breaks a rule of HTTP, or is over a limit. ``retry_after`` = seconds until it may be under it."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, message)
        self.status = status
        self.retry_after = retry_after


class SlowClientError(ToolHiveError):
    """A client did not read what was sent to it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(ErrorCode.TIMEOUT, f"the client read nothing for {seconds:g} s")


class StaleRouteError(ToolHiveError):
    """A workload was changed, or removed, while a request for it waited."""

    def __init__(self, workload: str) -> None:
        super().__init__(
            ErrorCode.SERVER_NOT_READY, f"the workload {workload!r} was changed while this request waited; call again"
        )


class ClientLeftError(ToolHiveError):
    """A client closed its connection before its request was whole."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, "the client left")


class ProviderError(ToolHiveError):
    """An identity provider does not give what it is asked for."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            ErrorCode.SERVER_NOT_READY,
            f"the identity provider's {url.partition('?')[0][:300]!r} cannot be used: {problem}",
        )


class BadSignatureError(ToolHiveError):
    """A token was not signed by whom it says. The token stands in no message."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, "the token's signature is wrong")
