import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_runtime.decisions.image_reference import (
    ImageReference,
    local_image_name,
    parse_reference,
    pulls_before_looking,
)
from toolhive_runtime.decisions.packages import PackageScheme, is_package, parse_package
from toolhive_runtime.errors import InvalidPackageError, RuntimeFailure, UnsupportedSettingError


@pytest.mark.parametrize(
    ("source", "name", "version", "extras"),
    [
        ("uvx://mcp-server-time", "mcp-server-time", "", ""),
        ("uvx://mcp-server-time@1.2", "mcp-server-time", "1.2", ""),
        ("uvx://mcp-server-time@latest", "mcp-server-time", "", ""),
        ("uvx://mcp[cli,dev]@1.2rc1", "mcp", "1.2rc1", "cli,dev"),
        ("npx://@scope/name", "@scope/name", "", ""),
        ("npx://@scope/name@1.2", "@scope/name", "1.2", ""),
        ("npx://name@next", "name", "next", ""),
        ("go://github.com/x/y@v1.2.3", "github.com/x/y", "v1.2.3", ""),
        ("go://github.com/x/y/cmd/z", "github.com/x/y/cmd/z", "", ""),
    ],
)
def test_a_package_is_taken_apart(source: str, name: str, version: str, extras: str) -> None:
    package = parse_package(source)
    assert (package.name, package.version, package.extras) == (name, version, extras)


@pytest.mark.parametrize(
    "source",
    [
        "uvx://",
        "uvx://a b",
        "uvx://a;id",
        "uvx://a@",
        "uvx://-a",
        "uvx://a\nRUN id",
        "uvx://git+https://example.org/x",
        "npx://@scope",
        "npx://a/b",
        "npx://../a",
        "npx://a@$(id)",
        "go://x",
        "go://github.com/a/../b",
        "go://github.com/a@v1 && id",
    ],
)
def test_what_is_no_package_is_refused_with_an_example(source: str) -> None:
    with pytest.raises(InvalidPackageError, match="write it like"):
        parse_package(source)


@pytest.mark.parametrize("source", ["go://.", "go://./cmd", "go://../x", "go:///srv/x"])
def test_a_local_go_package_is_refused_by_name(source: str) -> None:
    with pytest.raises(UnsupportedSettingError, match="local Go package"):
        parse_package(source)


@given(st.sampled_from(list(PackageScheme)), st.text(max_size=40))
def test_nothing_that_is_accepted_could_end_a_shell_word(scheme: PackageScheme, text: str) -> None:
    try:
        package = parse_package(f"{scheme}://{text}")
    except RuntimeFailure:
        return
    assert not set(package.name + package.version + package.extras) & set(" \t\n'\"\\$`;&|<>(){}*?#")


def test_images_are_no_packages() -> None:
    assert not is_package("uvx:latest")
    assert is_package("go://github.com/x/y")


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ("uvx://MCP_Server.time", "toolhivelocal/uvx-mcp-server-time:abc"),
        ("npx://@scope/name", "toolhivelocal/npx-scope-name:abc"),
        ("go://github.com/X/y@v1", "toolhivelocal/go-github-com-x-y:abc"),
    ],
)
def test_a_built_image_is_named_after_its_package(source: str, image: str) -> None:
    assert local_image_name(parse_package(source), "abc") == image


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("time", "time", "latest", ""),
        ("time:1.2", "time", "1.2", ""),
        ("example.org:5000/time", "example.org:5000/time", "latest", ""),
        ("example.org:5000/a/time:1", "example.org:5000/a/time", "1", ""),
        ("time@sha256:ab", "time", "", "sha256:ab"),
        ("time:1@sha256:ab", "time", "", "sha256:ab"),
    ],
)
def test_an_image_reference_is_taken_apart(image: str, repository: str, tag: str, digest: str) -> None:
    assert parse_reference(image) == ImageReference(repository, tag, digest)


@pytest.mark.parametrize(
    ("image", "expected"),
    [("time", True), ("time:latest", True), ("time:1", False), ("time@sha256:ab", False), ("h:5000/time", True)],
)
def test_only_a_moving_tag_is_pulled_although_it_is_here(image: str, *, expected: bool) -> None:
    assert pulls_before_looking(image) is expected
