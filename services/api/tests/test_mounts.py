import pytest

from toolhive_api.decisions.mounts import refuse_mounts
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.permissions import PermissionProfile


@pytest.mark.parametrize("text", ["/a:/b", "/a:/b:ro", "/a:/b:rw", "volume:/b"])
def test_a_mount_of_the_grammar_is_allowed(text: str) -> None:
    assert refuse_mounts([text], None) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        "/a:",
        ":/b",
        "/a:b",
        "/a:/b:x",
        "/a:/b:ro:/c",
        "/a;b:/c",
        "/$HOME:/c",
        "`a`:/c",
        "/a\x00:/c",
        "://x:/b",
        "C:\\x:/b:/c",
    ],
)
def test_any_other_mount_is_refused_and_named(text: str) -> None:
    rejection = refuse_mounts([text], None)
    assert rejection is not None
    assert rejection.code is ErrorCode.INVALID_MOUNT
    assert repr(text) in rejection.message


@pytest.mark.parametrize("text", ["resource://x:/b", "resource://x", "resource://:/b", "volume+x://y:/b:ro"])
def test_a_mount_of_a_resource_is_refused_by_name(text: str) -> None:
    for rejection in (refuse_mounts([text], None), refuse_mounts([], PermissionProfile(read=("/a", text)))):
        assert rejection is not None
        assert (rejection.code, repr(text) in rejection.message) == (ErrorCode.UNSUPPORTED_SETTING, True)


def test_a_profile_may_name_a_path_once() -> None:
    assert refuse_mounts([], PermissionProfile(read=("/a",), write=("/a:/b",))) is None
    assert refuse_mounts([], PermissionProfile(write=("a",))) is not None
