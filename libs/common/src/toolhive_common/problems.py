"""What is wrong with a value, in the words of JSON rather than in those of the program that reads it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["problem_of"]

_KINDS = {
    "bool": "true or false",
    "dict": "an object",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "mapping": "an object",
    "model": "an object",
    "string": "a text",
    "tuple": "a list",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def problem_of(error: Mapping[str, Any]) -> str:
    """Say it of the value, as in ``port`` ``has to be a whole number``. The value itself stands in no problem.

    Parameters
    ----------
    error
        One of a `pydantic.ValidationError`.
    """
    kind, context = str(error["type"]), error.get("ctx", {})
    problem = f"is wrong: {error['msg']}"
    match kind:
        case "missing":
            problem = "is missing"
        case "enum" | "literal_error":
            problem = f"has to be one of {context['expected']}"
        case "json_invalid":
            problem = f"is no JSON ({context['error']})"
        case "value_error":
            problem = f"is wrong: {context['error']}"
        case _ if kind in _LIMITS:
            key, words = _LIMITS[kind]
            problem = f"has to be {words} {context[key]}"
        case _ if kind.endswith(("_type", "_parsing", "_from_float")):
            known = _KINDS.get(kind.partition("_")[0])
            problem = f"has to be {known}" if known else problem
    return problem
