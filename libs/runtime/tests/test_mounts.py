import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.schemas.permissions import PermissionProfile
from toolhive_runtime.decisions.mounts import parse_mount, parse_volume, plan_mounts
from toolhive_runtime.errors import InvalidMountError, RuntimeFailure, UnsupportedSettingError
from toolhive_runtime.runtime import Mount


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("/data", "/data", "/data"),
        ("/data:/inside", "/data", "/inside"),
        ("data", "/home/ann/data", "/home/ann/data"),
        ("./data:/inside", "/home/ann/data", "/inside"),
        ("../data:/inside", "/home/data", "/inside"),
        ("/a//b/../c:/x/./y/", "/a/c", "/x/y"),
        ("C:\\Users\\ann:/inside", "C:\\Users\\ann", "/inside"),
        ("/with space:/in side", "/with space", "/in side"),
    ],
)
def test_a_mount_is_read(text: str, source: str, target: str) -> None:
    assert parse_mount(text, read_only=True, base_folder="/home/ann") == Mount(source, target, read_only=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":/inside",
        "/data:",
        "/data:inside",
        "/data:/",
        "/a:/b:/c",
        "/data:C:\\inside",
        "C:\\data",
        "/data;rm:/x",
        "/$HOME:/x",
        "/$(id):/x",
        "/a&b:/x",
        "/a|b:/x",
        "/`id`:/x",
        "/a\0b:/x",
    ],
)
def test_a_mount_that_breaks_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InvalidMountError):
        parse_mount(text, read_only=False, base_folder="/home/ann")


def test_a_relative_source_without_a_folder_to_start_from_is_refused() -> None:
    with pytest.raises(InvalidMountError, match="relative path"):
        parse_mount("data:/inside", read_only=False, base_folder="")


def test_a_resource_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedSettingError, match="volume://data:/inside"):
        parse_mount("volume://data:/inside", read_only=False, base_folder="")


@pytest.mark.parametrize(
    ("text", "read_only"), [("/a:/b", False), ("/a:/b:ro", True), ("/a:/b:rw", False), ("/a:ro", True)]
)
def test_a_volume_says_whether_it_may_be_written(text: str, *, read_only: bool) -> None:
    assert parse_volume(text, base_folder="").read_only is read_only


def test_the_first_mount_of_a_target_counts_and_the_others_are_told() -> None:
    profile = PermissionProfile(read=("/etc/x:/data",), write=("/srv:/data/", "/out:/out"))
    plan = plan_mounts(profile, ["/home:/out"], base_folder="")
    assert plan.mounts == (Mount("/etc/x", "/data", read_only=True), Mount("/out", "/out", read_only=False))
    assert [mount.source for mount in plan.skipped] == ["/srv", "/home"]


@given(text=st.text(st.sampled_from("ab/.:\\C$ ;`\0|&-~") | st.characters(), max_size=30), read_only=st.booleans())
def test_any_text_is_a_safe_mount_or_a_clear_refusal(text: str, *, read_only: bool) -> None:
    try:
        mount = parse_mount(text, read_only=read_only, base_folder="/base")
    except RuntimeFailure:
        return
    assert mount.target.startswith("/")
    assert mount.target != "/"
    assert ".." not in mount.target.split("/")
    assert ":" not in mount.target
    assert not set("$&;|`\0") & set(mount.source + mount.target)


_NAMES = st.text(st.sampled_from("abcXYZ019._- "), min_size=1, max_size=8).filter(lambda name: name.strip(". ") != "")
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@given(_PATHS, _PATHS)
def test_what_is_written_by_the_grammar_is_read_back(source: str, target: str) -> None:
    mount = parse_mount(f"{source}:{target}", read_only=True, base_folder="")
    assert (mount.source, mount.target) == (source, target)
