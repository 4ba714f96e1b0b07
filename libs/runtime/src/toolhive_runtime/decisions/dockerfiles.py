"""Recipes of the images that are built of packages.

Made for Debian-like base images, with or without the package's tools: what is missing is installed. Layers that
do not depend on the package come first, so that the engine's cache serves them to every other package.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined

from toolhive_common.build_options import wrong_build_option
from toolhive_runtime.decisions.packages import Package, PackageScheme
from toolhive_runtime.errors import InvalidBuildOptionError
from toolhive_runtime.runtime import BuilderOptions

__all__ = ["DEFAULT_BASE_IMAGES", "BuildRecipe", "build_recipe"]

DEFAULT_BASE_IMAGES: Mapping[str, str] = {
    PackageScheme.UVX: "python:3.14-slim",
    # ToolHive takes Alpine here. One Debian family for all three lets extra Debian packages work with each of them,
    # and npm packages with prebuilt binaries mostly bring them for glibc only.
    PackageScheme.NPX: "node:24-slim",
    PackageScheme.GO: "golang:1.26-bookworm",
}
_DEFAULT_GO_FINAL_IMAGE = "debian:bookworm-slim"
_GO_TOOLCHAIN = "go1.26.0"
"""Fetched where Go is older than 1.21. That one fetches a newer one by itself when a module asks for it."""
_ALWAYS_WITH: Mapping[str, tuple[str, ...]] = {
    PackageScheme.UVX: (),
    PackageScheme.NPX: (),
    PackageScheme.GO: ("git",),  # modules that no proxy has are fetched from their repositories
}


@dataclass(frozen=True)
class BuildRecipe:
    """All that an engine needs to build one image."""

    dockerfile: str
    files: Mapping[str, bytes] = field(repr=False)
    """The rest of the build's folder, by name."""
    key: str
    """Hash of everything above: the same key, the same image."""
    base_image: str


def build_recipe(package: Package, options: BuilderOptions) -> BuildRecipe:
    """Write the Dockerfile of a package.

    Raises
    ------
    InvalidBuildOptionError
        An option holds characters that would change the Dockerfile's meaning.
    """
    _check(package, options)
    base = options.base_images.get(package.scheme) or DEFAULT_BASE_IMAGES[package.scheme]
    dockerfile = _ENVIRONMENT.get_template(f"{package.scheme}.dockerfile.j2").render(
        base_image=base,
        final_image=_DEFAULT_GO_FINAL_IMAGE if base == DEFAULT_BASE_IMAGES[PackageScheme.GO] else base,
        package=package,
        requirement=_requirement(package),
        extra_packages=sorted({*_ALWAYS_WITH[package.scheme], *options.extra_packages}),
        build_with=options.build_with,
        environment=options.environment,
        has_ca_bundle=bool(options.ca_bundle),
        toolchain=_GO_TOOLCHAIN,
    )
    dockerfile = re.sub(r"\n{2,}", "\n", dockerfile).strip() + "\n"
    files = dict(_HELPERS.get(package.scheme, {}))
    if options.ca_bundle:
        files["ca-bundle.pem"] = options.ca_bundle
    return BuildRecipe(dockerfile, files, _key(dockerfile, files), base)


def _requirement(package: Package) -> str:
    """The package and its version, as its own client wants them."""
    match package.scheme:
        case PackageScheme.UVX:
            extras = f"[{package.extras}]" if package.extras else ""
            return f"{package.name}{extras}" + (f"=={package.version}" if package.version else "")
        case PackageScheme.NPX:
            return f"{package.name}@{package.version or 'latest'}"
        case PackageScheme.GO:
            return f"{package.name}@{package.version or 'latest'}"


def _check(package: Package, options: BuilderOptions) -> None:
    wrong = wrong_build_option(
        is_python=package.scheme is PackageScheme.UVX,
        base_images=options.base_images.values(),
        extra_packages=options.extra_packages,
        build_with=options.build_with,
        environment=options.environment,
    )
    if wrong is not None:
        raise InvalidBuildOptionError(wrong.setting, wrong.value, wrong.problem)


def _key(dockerfile: str, files: Mapping[str, bytes]) -> str:
    parts = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    text = json.dumps([dockerfile, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _quoted(value: str) -> str:
    """Quote for an ``ENV`` line, where a dollar sign would be replaced even between quotes."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("toolhive_runtime.decisions"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Dockerfiles are no HTML; values are checked above and quoted by the filters
    )
    environment.filters["quoted"] = _quoted
    environment.filters["shell"] = shlex.quote
    return environment


def _template_file(name: str) -> bytes:
    loader = _ENVIRONMENT.loader
    assert loader is not None  # noqa: S101 - set in _environment
    return loader.get_source(_ENVIRONMENT, name)[0].encode()


_ENVIRONMENT = _environment()
_HELPERS: Mapping[str, Mapping[str, bytes]] = {
    PackageScheme.UVX: {"link-command.sh": _template_file("link-command.sh")},
    PackageScheme.NPX: {"link-command.cjs": _template_file("link-command.cjs")},
}
