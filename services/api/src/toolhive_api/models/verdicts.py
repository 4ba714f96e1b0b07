"""Outcomes of decisions that more than one of them has."""

from dataclasses import dataclass

from toolhive_common.errors import ErrorCode

__all__ = ["Rejection"]


@dataclass(frozen=True)
class Rejection:
    """The request is not carried out."""

    code: ErrorCode
    message: str
    """For the user: what is wrong and what to do."""
