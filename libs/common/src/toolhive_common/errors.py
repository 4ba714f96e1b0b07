"""Error codes shared by all processes, and the exception that carries one.

    ToolHiveError          a cause with a stable code and a sentence for the user
      each service derives its own classes, one per cause

A code is for programs and never changes its meaning; a message is for people and may.
"""

from enum import StrEnum

__all__ = ["ErrorCode", "ToolHiveError"]


class ErrorCode(StrEnum):
    """Stable names of causes, as they stand in replies, events and logs."""

    INVALID_REQUEST = "invalid_request"
    INVALID_NAME = "invalid_name"
    UNSUPPORTED_SETTING = "unsupported_setting"
    """A setting of ToolHive that this version does not act on. Refused, so that nobody relies on it."""
    WORKLOAD_NOT_FOUND = "workload_not_found"
    WORKLOAD_EXISTS = "workload_exists"
    CONTAINER_NAME_TAKEN = "container_name_taken"
    """A container that is not ours has the name."""
    PORT_TAKEN = "port_taken"
    IMAGE_NOT_FOUND = "image_not_found"
    PACKAGE_NOT_FOUND = "package_not_found"
    IMAGE_BUILD_FAILED = "image_build_failed"
    IMAGE_PULL_FAILED = "image_pull_failed"
    INVALID_MOUNT = "invalid_mount"
    CONTAINER_START_FAILED = "container_start_failed"
    SERVER_EXITED = "server_exited"
    """The MCP server's process ended by itself."""
    SERVER_NOT_READY = "server_not_ready"
    """The container runs, but nothing listens on its port."""
    ENGINE_UNREACHABLE = "engine_unreachable"
    ENGINE_PERMISSION_DENIED = "engine_permission_denied"
    ENGINE_ERROR = "engine_error"
    AGENT_UNREACHABLE = "agent_unreachable"
    BUS_UNREACHABLE = "bus_unreachable"
    """NATS does not answer."""
    STORAGE_UNREACHABLE = "storage_unreachable"
    LIMIT_REACHED = "limit_reached"
    """As many as may be are there already."""
    TIMEOUT = "timeout"
    INTERNAL = "internal"


class ToolHiveError(Exception):
    """A cause with a stable code and a sentence that says what happened, why, and what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
