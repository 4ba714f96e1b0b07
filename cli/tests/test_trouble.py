import subprocess

import pytest

from .support.played_api import PlayedApi
from .support.program import THV, Thv

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("arguments", [["list"], ["run", "image"], ["events", "--follow"], ["rm", "a"]], ids=" ".join)
def test_an_api_that_is_not_there_is_named_with_how_to_start_it(arguments: list[str]) -> None:
    done = Thv("http://127.0.0.1:1")(*arguments)
    assert (done.code, done.out) == (1, "")
    last = done.err.splitlines()[-1]
    assert "cannot reach the ToolHive API at http://127.0.0.1:1: nothing listens there" in last
    assert "make up" in last
    assert "Traceback" not in done.err


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_address_of_the_api_may_stand_before_or_after_the_command(api: PlayedApi, where: str) -> None:
    wrong = Thv("http://127.0.0.1:1")
    flag = ["--api-url", api.url]
    assert (wrong(*flag, "list") if where == "before" else wrong("list", *flag)).code == 0


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://localhost", "http://", "http://[", "not an address"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    done = Thv(url)("list")
    assert done.code == 1
    assert f"cannot reach the ToolHive API at {url}" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "text/html", b"<html>a router</html>"), "does not answer as the ToolHive API does"),
        ((200, "application/json", b'{"workloads": [{"name": 1}]}'), "does not answer as the ToolHive API does"),
        ((500, "text/plain", b"Internal Server Error"), "Internal Server Error"),
        ((502, "text/html", b"<html>nginx</html>"), "status 502 and no reason"),
        ((422, "application/json", b'{"detail": "all is no boolean"}'), "all is no boolean"),
        ((503, "text/plain", b"NATS does not answer; start it"), "NATS does not answer; start it"),
    ],
)
def test_an_answer_that_is_no_list_is_an_error_in_a_sentence(
    api: PlayedApi, thv: Thv, answer: tuple[int, str, bytes], said: str
) -> None:
    api.raw = lambda *_: answer
    done = thv("list")
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("debug", [["--debug", "status", "x"], ["status", "x", "--debug"]], ids=" ".join)
def test_debug_tells_requests_and_shows_the_traceback(thv: Thv, debug: list[str]) -> None:
    done = thv(*debug)
    assert done.code == 1
    assert "debug: GET http://" in done.err
    assert "Traceback" in done.err


@pytest.mark.parametrize("count", [1, 2000], ids=["before a short output", "in a long output"])
def test_a_reader_that_goes_away_is_no_trouble(api: PlayedApi, thv: Thv, count: int) -> None:
    for number in range(count):
        api.add(f"workload-{number}")
    reader = "true" if count == 1 else "head -1"
    result = subprocess.run(
        ["bash", "-c", f"{THV} list | {reader}"], env=thv.environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("" if count == 1 else "NAME")
    assert result.stderr == ""


def test_commands_of_toolhive_that_are_not_there_are_refused_by_name(thv: Thv) -> None:
    done = thv("registry", "list")
    assert done.code == 1
    assert "the command 'registry' is not supported by this version" in done.err


def test_a_command_that_is_none_is_wrong_usage(thv: Thv) -> None:
    assert thv("dance").code == 2


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(api: PlayedApi) -> None:
    assert Thv(api.url, {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"})("list").code == 0
