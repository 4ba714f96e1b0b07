import json

import pytest

from .support.played_api import PlayedApi
from .support.program import Thv

pytestmark = pytest.mark.wire


def test_list_is_a_table_sorted_by_name(api: PlayedApi, thv: Thv) -> None:
    api.add("time", url="http://u/t")
    api.add("a-longer-name", status="stopped", group="research", url="http://u/longer")
    assert thv("list", "--all").out == (
        "NAME            PACKAGE               STATUS    URL               PORT   GROUP      CREATED\n"
        "a-longer-name   uvx://a-longer-name   stopped   http://u/longer   8081   research   2026-01-02 03:04:05\n"
        "time            uvx://time            running   http://u/t        8081   default    2026-01-02 03:04:05\n"
    )


def test_list_shows_those_that_run_unless_asked_for_all(api: PlayedApi, thv: Thv) -> None:
    api.add("runs")
    api.add("stopped", status="stopped")
    names = [[one["name"] for one in json.loads(thv("ls", *flags, "--format", "json").out)] for flags in ([], ["-a"])]
    assert names == [["runs"], ["runs", "stopped"]]


@pytest.mark.parametrize(
    ("form", "empty"),
    [("text", "No MCP servers found\n"), ("json", "[]\n"), ("mcpservers", '{\n  "mcpServers": {}\n}\n')],
)
def test_an_empty_list_is_no_error(thv: Thv, form: str, empty: str) -> None:
    done = thv("list", "--format", form)
    assert (done.code, done.out) == (0, empty)


def test_list_by_label_and_group(api: PlayedApi, thv: Thv) -> None:
    api.add("one", labels={"team": "search", "tier": "1"}, group="research")
    api.add("two", labels={"team": "search"}, group="research")
    api.add("three", labels={"team": "search", "tier": "1"})
    done = thv("list", "-l", "team=search", "-l", "tier=1", "--group", "research", "--format", "json")
    assert [one["name"] for one in json.loads(done.out)] == ["one"]


def test_list_as_a_clients_configuration(api: PlayedApi, thv: Thv) -> None:
    api.add("a")
    api.add("b", transport_type="sse", proxy_mode="sse")
    assert json.loads(thv("list", "--format", "mcpservers").out) == {
        "mcpServers": {
            "a": {"url": f"{api.url}/a/mcp", "type": "streamable-http"},
            "b": {"url": f"{api.url}/b/mcp", "type": "sse"},
        }
    }


def test_status_says_what_is_known_of_one(api: PlayedApi, thv: Thv) -> None:
    api.add("time", status="error", status_context="given up after 10 starts\nAPI_KEY is not set")
    assert thv("status", "time").out.replace(api.url, "URL") == (
        "Name:         time\n"
        "Status:       error\n"
        "Reason:       given up after 10 starts\n"
        "              API_KEY is not set\n"
        "Package:      uvx://time\n"
        "URL:          URL/time/mcp\n"
        "Port:         8081\n"
        "Transport:    stdio\n"
        "Proxy Mode:   streamable-http\n"
        "Group:        default\n"
        "Created:      2026-01-02 03:04:05\n"
    )


def test_status_as_json(api: PlayedApi, thv: Thv) -> None:
    api.add("time")
    assert json.loads(thv("status", "time", "--format", "json").out) == {
        "name": "time",
        "status": "running",
        "package": "uvx://time",
        "url": f"{api.url}/time/mcp",
        "port": 8081,
        "transport": "stdio",
        "proxy_mode": "streamable-http",
        "group": "default",
    }


@pytest.mark.parametrize("command", ["status", "logs"])
def test_an_unknown_workload_is_named(thv: Thv, command: str) -> None:
    done = thv(command, "nothing")
    assert (done.code, done.out) == (1, "")
    assert done.err == "Error: there is no workload 'nothing'; 'thv list --all' shows those that exist\n"


@pytest.mark.parametrize(
    ("command", "word"), [("stop", "Stopped"), ("restart", "Restarted"), ("start", "Restarted"), ("rm", "Removed")]
)
def test_each_of_many_is_told(api: PlayedApi, thv: Thv, command: str, word: str) -> None:
    api.add("a")
    api.add("b")
    done = thv(command, "a", "b")
    assert (done.code, done.err.splitlines()[0].split(":")[1]) == (0, " 0 of 2")
    assert done.out.splitlines()[:2] == [f"{word} a", f"{word} b"]
    assert ("Restart summary: 2 succeeded, 0 failed" in done.out) is (word == "Restarted")


def test_an_unknown_one_among_many_is_named_and_the_others_are_done(api: PlayedApi, thv: Thv) -> None:
    api.add("a")
    api.add("b")
    done = thv("rm", "a", "nothing", "b")
    assert (done.code, api.workloads) == (1, {})
    assert done.out.splitlines() == ["Removed a", "Removed b"]
    assert "Could not rm nothing: there is no workload 'nothing'" in done.err.replace("remove", "rm")
    assert "1 of 3 workloads: nothing" in done.err


def test_stopping_a_stopped_one_is_no_error(api: PlayedApi, thv: Thv) -> None:
    api.add("a", status="stopped")
    done = thv("stop", "a")
    assert (done.code, done.out) == (0, "a was stopped already\n")


@pytest.mark.parametrize("flag", [["--all"], ["--group", "research"], ["--all=true"]], ids=" ".join)
def test_all_and_groups_are_chosen_by_flag(api: PlayedApi, thv: Thv, flag: list[str]) -> None:
    api.add("a", group="research", status="stopped")
    api.add("b", group="research")
    api.add("c")
    assert thv("rm", *flag).code == 0
    assert list(api.workloads) == (["c"] if "research" in flag else [])


@pytest.mark.parametrize("arguments", [[], ["a", "--all"], ["--all", "--group", "g"]], ids=" ".join)
@pytest.mark.parametrize("command", ["stop", "restart", "rm"])
def test_what_to_change_must_be_said_in_one_way(api: PlayedApi, thv: Thv, command: str, arguments: list[str]) -> None:
    api.add("a")
    done = thv(command, *arguments)
    assert done.code == 2
    assert "names, --all, or --group GROUP" in done.err
    assert list(api.workloads) == ["a"]


def test_changing_all_of_nothing_says_so(thv: Thv) -> None:
    done = thv("stop", "--all")
    assert (done.code, done.err) == (0, "No MCP servers found\n")


def test_what_does_not_come_to_an_end_is_an_error_after_the_time(api: PlayedApi, thv: Thv) -> None:
    api.stuck = True
    api.add("a")
    done = thv("stop", "a", "--timeout", "1")
    assert done.code == 1
    assert "'a' is not done after 1 s" in done.err


def test_a_restart_that_fails_says_why(api: PlayedApi, thv: Thv) -> None:
    api.add("a", then={"status": "unhealthy", "status_context": "exited with code 1"})
    done = thv("restart", "a")
    assert done.code == 1
    assert "'a' does not run (unhealthy): exited with code 1" in done.err


def test_many_changes_move_on_a_terminal_and_their_results_stay(api: PlayedApi, thv: Thv) -> None:
    api.add("a")
    api.add("b")
    done = thv.on_terminal("rm", "--all")
    assert done.code == 0
    assert "Removed a\r\n" in done.out
    assert "Removed b\r\n" in done.out


def test_logs_are_printed_as_they_are(api: PlayedApi, thv: Thv) -> None:
    api.add("a")
    api.log_text = "one\n\x1b[31mtwo\nthree"
    assert thv("logs", "a").out == "one\n\x1b[31mtwo\nthree\n".replace("\x1b[31m", "")


def test_followed_logs_go_on_with_what_is_new(api: PlayedApi, thv: Thv) -> None:
    api.add("a")
    api.log_text = "one\ntwo\n"
    process = thv.start("logs", "a", "--follow")
    assert process.stdout
    assert [process.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
    api.log_text = "two\nthree\n"
    assert process.stdout.readline() == "three\n"
    done = thv.interrupt(process)
    assert (done.code, done.out) == (130, "")
    assert "Traceback" not in done.err
