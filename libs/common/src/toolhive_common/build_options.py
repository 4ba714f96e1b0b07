"""What may stand in the recipe of a package's image: nothing that would change the recipe's meaning."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

__all__ = ["WrongOption", "wrong_build_option"]

_DEBIAN_PACKAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._+-]{0,127}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+\-\[\],=<>!~* ]{0,199}")
_BASE_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class WrongOption:
    """An option that cannot be taken."""

    setting: str
    """Its name in ``runtime_config``."""
    value: str
    problem: str


def wrong_build_option(
    *,
    is_python: bool,
    base_images: Iterable[str] = (),
    extra_packages: Iterable[str] = (),
    build_with: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> WrongOption | None:
    """Find the first option that a recipe must not hold.

    Parameters
    ----------
    is_python
        Whether the package is a ``uvx://`` one.
    base_images
        An empty one stands for the default.
    """
    images = (
        WrongOption("builder_image", image, "it is no image reference")
        for image in base_images
        if image and not _BASE_IMAGE.fullmatch(image)
    )
    packages = (
        WrongOption("additional_packages", name, "it is no Debian package's name")
        for name in extra_packages
        if not _DEBIAN_PACKAGE.fullmatch(name)
    )
    requirements = (
        WrongOption("build_with", text, problem)
        for text in build_with
        if (problem := _requirement_problem(text, is_python=is_python))
    )
    variables = (
        WrongOption("runtime_env", name, problem)
        for name, value in (environment or {}).items()
        if (problem := _variable_problem(name, value))
    )
    return next(chain(images, packages, requirements, variables), None)


def _requirement_problem(text: str, *, is_python: bool) -> str:
    if not is_python:
        return "it is for uvx:// packages only"
    return "" if _REQUIREMENT.fullmatch(text) else "it is no Python requirement"


def _variable_problem(name: str, value: str) -> str:
    if not _VARIABLE.fullmatch(name):
        return "names are capital letters, digits and underscores"
    return "its value has line breaks or control characters" if _CONTROL.search(value) else ""
