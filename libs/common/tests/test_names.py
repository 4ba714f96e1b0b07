"""Names of workloads, and subjects made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common import subjects
from toolhive_common.names import (
    InvalidNameError,
    check_workload_name,
    default_workload_name,
    sanitize_workload_name,
)
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject

NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,30}", fullmatch=True).filter(lambda name: ".." not in name)
KEYS = st.builds(WorkloadKey, namespace=NAMES, name=NAMES)


@pytest.mark.parametrize("name", ["aa", "my-server", "io.github.x_1", "A" * 100, "00"])
def test_good_names_are_let_through(name: str) -> None:
    check_workload_name(name)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "empty"),
        ("a" * 101, "101 characters"),
        ("a b", "not allowed"),
        ("a/b", "not allowed"),
        ("$(x)", "not allowed"),
        ("a\n", "not allowed"),
        ("ä", "not allowed"),
        ("a..b", "leave its folder"),
        (".hidden", "begin with"),
        ("-flag", "begin with"),
        ("a*", "not allowed"),
        ("x", "at least two"),
    ],
)
def test_bad_names_are_refused_with_the_rule_that_they_break(name: str, problem: str) -> None:
    with pytest.raises(InvalidNameError, match=problem) as refused:
        check_workload_name(name)
    assert "such as 'my-server'" in refused.value.message


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("uvx://mcp-server-time", "mcp-server-time"),
        ("uvx://mcp-server-time@1.2.3", "mcp-server-time-1-2-3"),
        ("npx://@modelcontextprotocol/server-everything", "modelcontextprotocol-server-everything"),
        ("go://github.com/x/y@v1.0.0", "github-com-x-y-v1-0-0"),
        ("ghcr.io/github/github-mcp-server:latest", "github-mcp-server"),
        ("localhost:5000/xy@sha256:abc", "xy"),
        ("x:1", "workload-x"),
        ("https://mcp.example.com/sse", "example"),
        ("https://example.com?key=1", "example"),
        ("http://localhost:8000/mcp", "localhost"),
        ("http://127.0.0.1:8000/mcp", "127.0.0.1-8000"),
        ("http://[::1]:8000/mcp", "1--8000"),
    ],
)
def test_a_workload_is_named_after_what_it_runs(source: str, name: str) -> None:
    assert default_workload_name(source) == name


@given(st.text())
def test_every_text_can_be_made_a_name(text: str) -> None:
    check_workload_name(sanitize_workload_name(text))


@given(KEYS)
def test_a_bucket_key_is_read_back(key: WorkloadKey) -> None:
    text = subjects.bucket_key(key)
    assert subjects.parse_bucket_key(text) == key
    assert text.count(".") == 1


@given(KEYS, st.from_regex(r"[0-9a-f]{32}", fullmatch=True), st.sampled_from(["in", "out"]))
def test_a_frames_subject_is_read_back(key: WorkloadKey, session: str, direction: str) -> None:
    subject = McpFrameSubject(key, session, "in" if direction == "in" else "out")
    assert McpFrameSubject.parse(str(subject)) == subject


@given(KEYS, KEYS)
def test_two_workloads_never_share_a_subject(one: WorkloadKey, other: WorkloadKey) -> None:
    assert (subjects.bucket_key(one) == subjects.bucket_key(other)) == (one == other)


@pytest.mark.parametrize("subject", ["toolhive.mcp.a.b.c.sideways", "other.mcp.a.b.c.in"])
def test_what_is_no_frames_subject_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="not a frame subject"):
        McpFrameSubject.parse(subject)
