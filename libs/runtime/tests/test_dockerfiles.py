from typing import Any

import pytest

from toolhive_common.errors import ErrorCode
from toolhive_runtime.decisions.build_failures import missing_package
from toolhive_runtime.decisions.dockerfiles import BuildRecipe, build_recipe
from toolhive_runtime.decisions.packages import PackageScheme, parse_package
from toolhive_runtime.errors import InvalidBuildOptionError
from toolhive_runtime.runtime import BuilderOptions

SOURCES = ["uvx://mcp-server-time@1.2", "npx://@scope/name@1.2", "go://github.com/x/y@v1"]


def recipe_of(source: str = SOURCES[0], **options: Any) -> BuildRecipe:
    return build_recipe(parse_package(source), BuilderOptions(**options))


@pytest.mark.parametrize(
    ("source", "base", "command"),
    [
        (SOURCES[0], "FROM python:3.14-slim", "uv tool install"),
        (SOURCES[1], "FROM node:24-slim", "npm install"),
        (SOURCES[2], "FROM golang:1.26-bookworm AS builder", "go install"),
    ],
)
def test_each_scheme_has_its_base_and_its_client(source: str, base: str, command: str) -> None:
    dockerfile = recipe_of(source).dockerfile
    assert dockerfile.startswith(base)
    assert command in dockerfile


@pytest.mark.parametrize("source", SOURCES)
def test_every_image_runs_as_another_user_than_root_and_appends_arguments(source: str) -> None:
    assert recipe_of(source).dockerfile.endswith('USER appuser\nWORKDIR /home/appuser\nENTRYPOINT ["/app/server"]\n')


@pytest.mark.parametrize("source", SOURCES)
def test_the_old_builder_can_read_it(source: str) -> None:
    dockerfile = recipe_of(source, ca_bundle=b"PEM", extra_packages=("git",)).dockerfile
    assert "<<" not in dockerfile
    assert "RUN --mount" not in dockerfile


def test_versions_are_written_as_each_client_wants_them() -> None:
    assert "mcp-server-time==1.2\n" in recipe_of(SOURCES[0]).dockerfile
    assert "@scope/name@1.2" in recipe_of(SOURCES[1]).dockerfile
    assert "go install github.com/x/y@v1 " in recipe_of(SOURCES[2]).dockerfile
    assert "go install github.com/x/y@latest " in recipe_of("go://github.com/x/y").dockerfile


def test_the_base_image_can_be_replaced_for_its_scheme_only() -> None:
    bases = {"uvx": "my/base:1"}
    assert recipe_of(SOURCES[0], base_images=bases).dockerfile.startswith("FROM my/base:1\n")
    assert recipe_of(SOURCES[1], base_images=bases).dockerfile.startswith("FROM node:24-slim\n")


def test_a_replaced_go_base_serves_both_stages() -> None:
    dockerfile = recipe_of(SOURCES[2], base_images={"go": "my/base:1"}).dockerfile
    assert [line for line in dockerfile.splitlines() if line.startswith("FROM")] == [
        "FROM my/base:1 AS builder",
        "FROM my/base:1",
    ]


def test_certificate_authorities_are_copied_in_before_anything_is_fetched() -> None:
    recipe = recipe_of(ca_bundle=b"PEM")
    assert recipe.files["ca-bundle.pem"] == b"PEM"
    assert recipe.dockerfile.index("COPY ca-bundle.pem") < recipe.dockerfile.index("apt-get")


def test_the_same_package_and_options_have_the_same_key() -> None:
    assert recipe_of().key == recipe_of().key


@pytest.mark.parametrize(
    "options",
    [
        {"base_images": {"uvx": "my/base:1"}},
        {"extra_packages": ("curl",)},
        {"build_with": ("httpx<1",)},
        {"environment": {"A": "1"}},
        {"ca_bundle": b"PEM"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_each_option_changes_the_key(options: dict[str, Any]) -> None:
    assert recipe_of(**options).key != recipe_of().key


def test_values_of_the_environment_cannot_leave_their_quotes() -> None:
    assert 'ENV A="a \\"b\\" \\$HOME \\\\"\n' in recipe_of(environment={"A": 'a "b" $HOME \\'}).dockerfile


@pytest.mark.parametrize(
    "options",
    [
        {"base_images": {"uvx": "x\nRUN id"}},
        {"extra_packages": ("curl; id",)},
        {"extra_packages": ("-o=x",)},
        {"build_with": ("x\nRUN id",)},
        {"environment": {"a": "1"}},
        {"environment": {"A": "1\nRUN id"}},
    ],
    ids=str,
)
def test_options_that_would_change_the_dockerfile_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidBuildOptionError) as failure:
        recipe_of(**options)
    assert failure.value.code is ErrorCode.INVALID_REQUEST


def test_python_requirements_are_refused_for_other_packages() -> None:
    with pytest.raises(InvalidBuildOptionError, match="uvx:// packages only"):
        recipe_of(SOURCES[1], build_with=("httpx",))


@pytest.mark.parametrize(
    ("scheme", "output", "missing"),
    [
        pytest.param(
            PackageScheme.UVX,
            "  No solution found when resolving dependencies:\n  ╰─▶ Because nope was not found in the package "
            "registry and you require nope, we can conclude that your requirements are unsatisfiable.",
            "nope",
            id="uv-unknown-name",
        ),
        pytest.param(
            PackageScheme.UVX,
            "cause: Because there is no version of time==99 and you require time==99, we can conclude",
            "time==99",
            id="uv-unknown-version",
        ),
        pytest.param(
            PackageScheme.UVX, "error: Failed to fetch: dns error: failed to lookup address", None, id="uv-no-network"
        ),
        pytest.param(
            PackageScheme.UVX,
            "Because the current Python version (3.11.2) does not satisfy Python>=3.12 and x==1 depends on",
            None,
            id="uv-other-python",
        ),
        pytest.param(
            PackageScheme.NPX,
            "npm ERR! code E404\nnpm ERR! 404  'nope@latest' is not in this registry.",
            "nope@latest",
            id="npm-unknown-name",
        ),
        pytest.param(
            PackageScheme.NPX,
            "npm error code E404\nnpm error 404  The requested resource 'nope@*' could not be found or you do "
            "not have permission to access it.",
            "nope@*",
            id="npm-11-unknown-name",
        ),
        pytest.param(
            PackageScheme.NPX,
            "npm error code ETARGET\nnpm error notarget No matching version found for @a/b@99.",
            "@a/b@99",
            id="npm-unknown-version",
        ),
        pytest.param(PackageScheme.NPX, "npm ERR! code ENOTFOUND", None, id="npm-no-network"),
        pytest.param(
            PackageScheme.GO,
            "go: github.com/x/y@v9: invalid version: unknown revision v9",
            "github.com/x/y@v9",
            id="go-unknown-version",
        ),
        pytest.param(
            PackageScheme.GO,
            'go: example.org/x@latest: unrecognized import path "example.org/x": reading https://example.org/x: 404',
            "example.org/x@latest",
            id="go-unknown-path",
        ),
        pytest.param(
            PackageScheme.GO,
            "go: github.com/x/y/cmd@latest: module github.com/x/y@latest found (v1.0.0), but does not contain "
            "package github.com/x/y/cmd",
            "github.com/x/y/cmd",
            id="go-unknown-package",
        ),
        pytest.param(PackageScheme.GO, "x.go:3:2: undefined: y", None, id="go-does-not-compile"),
        pytest.param(
            PackageScheme.UVX,
            "WARNING: Retrying after 'NewConnectionError: Temporary failure in name resolution'\n"
            "ERROR: No matching distribution found for uv",
            None,
            id="uvx-registry-out-of-reach",
        ),
    ],
)
def test_a_missing_package_is_known_by_what_its_client_wrote(
    scheme: PackageScheme, output: str, missing: str | None
) -> None:
    said = missing_package(scheme, output)
    assert said == (None if missing is None else f"its registry has no {missing}")
