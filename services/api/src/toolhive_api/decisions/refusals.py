"""The two ways of saying no to a request."""

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode

__all__ = ["invalid", "unsupported"]


def invalid(message: str) -> Rejection:
    """Refuse what makes no sense."""
    return Rejection(ErrorCode.INVALID_REQUEST, message)


def unsupported(setting: str, advice: str) -> Rejection:
    """Refuse what makes sense, and would have no effect."""
    return Rejection(
        ErrorCode.UNSUPPORTED_SETTING, f"{setting} is not supported by this version of ToolHive for Python; {advice}"
    )
