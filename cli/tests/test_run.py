import json
import re
from pathlib import Path
from typing import Any

import pytest

from toolhive_cli.commands.refused_flags import REFUSED

from .support.played_api import PlayedApi
from .support.program import Thv

pytestmark = pytest.mark.wire

BUILDING: list[dict[str, Any]] = [
    {"stage": "building", "message": "Step 1/2: FROM base", "fraction": 0.5},
    {"stage": "building", "message": "Step 2/2: uv tool install", "fraction": 1.0},
    {"stage": "starting", "message": "creating the container"},
]


def test_run_makes_a_package_waits_and_says_where_it_is(api: PlayedApi, thv: Thv) -> None:
    api.stages = BUILDING
    done = thv("run", "uvx://mcp-server-time")
    assert (done.code, api.posted()["name"]) == (0, "mcp-server-time")
    assert f"URL:   {api.url}/mcp-server-time/mcp" in done.out
    assert "thv rm mcp-server-time" in done.out
    assert api.probed.is_set()
    assert api.asked[0].headers["accept"].startswith("text/event-stream")


def test_run_tells_each_stage_once_in_plain_lines_where_there_is_no_terminal(api: PlayedApi, thv: Thv) -> None:
    api.stages = BUILDING
    done = thv("run", "uvx://mcp-server-time")
    assert done.err.splitlines() == [
        "Asking the API: asking for 'mcp-server-time'",
        "Building the image: Step 1/2: FROM base",
        "Starting the container: creating the container",
        "Waiting for the server: until 'mcp-server-time' answers",
    ]
    assert "\x1b" not in done.out + done.err


def test_run_moves_on_a_terminal(api: PlayedApi, thv: Thv) -> None:
    api.stages = BUILDING
    done = thv.on_terminal("run", "uvx://mcp-server-time")
    assert done.code == 0
    assert "Building the image" in done.out
    assert "\x1b[" in done.out
    assert "'mcp-server-time' is running." in done.out


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb terminal"])
def test_a_terminal_gets_no_colours_when_it_wants_none(api: PlayedApi, plain: dict[str, str]) -> None:
    api.refusal = {"status": 404, "code": "package_not_found", "message": "no such package"}
    done = Thv(api.url, plain).on_terminal("run", "uvx://nothing")
    assert done.code == 1
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", done.out)
    assert "Error: no such package" in done.out


def test_an_error_is_red_on_a_terminal(api: PlayedApi, thv: Thv) -> None:
    assert "\x1b[31m" in thv.on_terminal("status", "nothing").out


def test_run_prints_one_json_object_on_request(thv: Thv) -> None:
    done = thv("run", "uvx://mcp-server-time", "--format", "json")
    assert json.loads(done.out)["name"] == "mcp-server-time"
    assert json.loads(done.out)["status"] == "running"


def test_run_understands_an_api_that_streams_no_progress(api: PlayedApi, thv: Thv) -> None:
    api.plain_answers = True
    assert thv("run", "uvx://mcp-server-time").code == 0


def test_flags_become_the_request(api: PlayedApi, thv: Thv, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text('{"read": ["/data"], "network": {"outbound": {"allow_host": ["example.com"]}}}')
    env_file = tmp_path / "env"
    env_file.write_text("# a comment\n\nA=from-file\nexport B='quoted value'\n")
    flags = (
        f"--name my.server --transport stdio --proxy-mode sse --host 127.0.0.1 --proxy-port 9000 --target-port 3000 "
        f"--permission-profile {profile} --network host --isolate-network=false -e A=from-flag --env-file {env_file} "
        f"-v {tmp_path}:/data:ro -l team=search -p 80:8080 --group default --build-with httpx "
        "--runtime-image python:3.13 --runtime-add-package git"
    ).split()
    assert thv("run", "uvx://mcp-server-time", *flags, "--", "--tz", "UTC", "--help").code == 0
    assert api.posted() == {
        "name": "my.server",
        "image": "uvx://mcp-server-time",
        "host": "127.0.0.1",
        "proxy_port": 9000,
        "target_port": 3000,
        "transport": "stdio",
        "proxy_mode": "sse",
        "cmd_arguments": ["--tz", "UTC", "--help"],
        "volumes": [f"{tmp_path}:/data:ro"],
        "env_vars": {"A": "from-flag", "B": "quoted value"},
        "permission_profile": {
            "read": ["/data"],
            "network": {"mode": "host", "outbound": {"allow_host": ["example.com"]}},
        },
        "network_isolation": False,
        "group": "default",
        "runtime_config": {"builder_image": "python:3.13", "additional_packages": ["git"], "build_with": ["httpx"]},
        "labels": {"team": "search"},
        "publish": ["80:8080"],
    }


def test_flags_of_the_proxy_become_the_request(api: PlayedApi, thv: Thv, tmp_path: Path) -> None:
    override = tmp_path / "tools.json"
    override.write_text('{"toolsOverride": {"get_time": {"name": "now"}}}')
    flags = (
        f"--proxy-mode sse --stdio-process per-session --tools now,zone --tools other --tools-override {override} "
        "--remote-forward-headers X-Tenant=a --trust-proxy-headers --strict-protocol-validation --session-ttl 30m "
        "--endpoint-prefix /x --allowed-origins https://a.example,https://b.example --oidc-issuer https://issuer "
        "--oidc-audience mcp --oidc-jwks-url https://issuer/keys --oidc-introspection-url https://issuer/ask "
        "--oidc-client-id me --oidc-scopes openid,mcp --jwks-allow-private-ip --oidc-insecure-allow-http "
        "--resource-url https://me/mcp --stateless=false"
    ).split()
    assert thv("run", "uvx://mcp-server-time", *flags).code == 0
    assert api.posted() == {
        "name": "mcp-server-time",
        "image": "uvx://mcp-server-time",
        "proxy_mode": "sse",
        "network_isolation": None,
        "stdio_process": "per-session",
        "tools": ["now", "zone", "other"],
        "tools_override": {"get_time": {"name": "now"}},
        "header_forward": {"add_plaintext_headers": {"X-Tenant": "a"}},
        "trust_proxy_headers": True,
        "strict_protocol_validation": True,
        "session_ttl": "30m",
        "endpoint_prefix": "/x",
        "allowed_origins": ["https://a.example", "https://b.example"],
        "oidc": {
            "issuer": "https://issuer",
            "audience": "mcp",
            "jwks_url": "https://issuer/keys",
            "introspection_url": "https://issuer/ask",
            "client_id": "me",
            "scopes": ["openid", "mcp"],
            "resource_url": "https://me/mcp",
            "allow_private_ip": True,
            "insecure_allow_http": True,
        },
    }


def test_a_url_becomes_a_remote_server(api: PlayedApi, thv: Thv) -> None:
    assert thv("run", "https://mcp.example.com/sse?key=1", "--transport", "sse", "--session-ttl", "0").code == 0
    assert api.posted() == {
        "name": "example",
        "url": "https://mcp.example.com/sse?key=1",
        "transport": "sse",
        "network_isolation": None,
    }


def a_file(folder: Path, **changes: Any) -> str:
    """Write what ToolHive exports."""
    exported = {
        "schema_version": "v0.1.0",
        "image": "ghcr.io/x/y:1",
        "cmd_args": ["--flag"],
        "name": "fetch",
        "container_name": "fetch",
        "base_name": "fetch",
        "transport": "streamable-http",
        "host": "127.0.0.1",
        "port": 21001,
        "target_port": 8080,
        "target_host": "127.0.0.1",
        "permission_profile": {"network": {"outbound": {"insecure_allow_all": True}}},
        "env_vars": {"MCP_TRANSPORT": "streamable-http", "MCP_PORT": "8080", "A": "1"},
        "container_labels": {"toolhive": "true", "toolhive-name": "fetch", "team": "a"},
        "oidc_config": {"Issuer": "https://i", "Audience": "a", "Scopes": None, "AllowPrivateIP": False},
        "isolate_network": True,
        "proxy_mode": "streamable-http",
        "group": "default",
        "ignore_config": {"LoadGlobal": True},
        "middleware_configs": [{"type": "recovery", "parameters": None}, {"type": "mcp-parser", "parameters": {}}],
    }
    path = folder / "export.json"
    path.write_text(json.dumps(exported | changes))
    return str(path)


def test_a_file_of_toolhives_is_run(api: PlayedApi, thv: Thv, tmp_path: Path) -> None:
    done = thv("run", "--from-config", a_file(tmp_path))
    assert done.code == 0
    assert "port 21001 is not used" in done.err
    assert api.posted() == {
        "name": "fetch",
        "image": "ghcr.io/x/y:1",
        "host": "127.0.0.1",
        "target_port": 8080,
        "transport": "streamable-http",
        "proxy_mode": "streamable-http",
        "cmd_arguments": ["--flag"],
        "env_vars": {"A": "1"},
        "permission_profile": {"network": {"outbound": {"insecure_allow_all": True}}},
        "network_isolation": True,
        "group": "default",
        "oidc": {"issuer": "https://i", "audience": "a"},
        "labels": {"team": "a"},
        "middleware_configs": [{"type": "recovery", "parameters": None}, {"type": "mcp-parser", "parameters": {}}],
    }


def test_a_files_authentication_goes_on_in_whatever_case_it_is_written(
    api: PlayedApi, thv: Thv, tmp_path: Path
) -> None:
    oidc = {"Issuer": "https://i", "audience": "a", "JwksUrl": "https://i/keys", "RequiredScopes": ["tools"]}
    assert thv("run", "--from-config", a_file(tmp_path, oidc_config=oidc)).code == 0
    assert api.posted()["oidc"] == {
        "issuer": "https://i",
        "audience": "a",
        "jwks_url": "https://i/keys",
        "required_scopes": ["tools"],
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"middleware_configs": [{"type": "authorization"}]}, "middleware_configs: 'authorization' is not supported"),
        (
            {"authz_config": {"type": "cedarv1"}, "secrets": ["a,target=B"]},
            "authz_config (authorization), secrets is not supported",
        ),
        ({"transport": "pigeon"}, "is no RunConfig"),
        ({"name": ""}, "it is empty"),
        ({"oidc_config": {"Issuer": ["hunter2"]}}, "oidc_config: Issuer"),
        ({"oidc_config": {"Issuer": "https://i", "issuer": "hunter2"}}, "Issuer is given twice"),
        ({"tool_filter": ["a"]}, "'tool_filter' is no key that is known here; did you mean tools_filter?"),
        ({"oidc_config": {"Issuer": "https://i", "audiance": "a"}}, "did you mean Audience?"),
        ({"cmd_args": "x"}, "cmd_args has to be a list"),
        ({"oidc_config": {}}, "oidc_config: it says nothing; give Issuer and Audience, or leave it out"),
        (
            {"header_forward": {"add_plaintext_headers": {"X": ["hunter2"]}}},
            "header_forward.add_plaintext_headers.X has to be a text",
        ),
    ],
)
def test_a_file_that_cannot_be_run_as_it_is_says_which_part(
    api: PlayedApi, thv: Thv, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    done = thv("run", "--from-config", a_file(tmp_path, **changes))
    assert (done.code, api.asked) == (1, [])
    assert said in done.err
    assert "hunter2" not in done.err


@pytest.mark.parametrize("flag", REFUSED["value"])
def test_a_flag_that_is_not_acted_on_is_refused_by_name(api: PlayedApi, flag: str) -> None:
    _refused(api, flag, "something")


@pytest.mark.parametrize("flag", REFUSED["switch"])
def test_a_switch_that_is_not_acted_on_is_refused_by_name(api: PlayedApi, flag: str) -> None:
    _refused(api, flag)


def _refused(api: PlayedApi, *flag: str) -> None:
    from toolhive_cli.main import run  # noqa: PLC0415  # in this process: there are many flags

    with pytest.MonkeyPatch.context() as patch:
        told = list[str]()
        patch.setattr("click.echo", lambda text, **_: told.append(text))
        assert run(["--api-url", api.url, "run", *flag, "uvx://mcp-server-time"]) == 1
    assert f"{flag[0]} is not supported by this version" in told[0]
    assert api.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["https://me:hunter2@example.com/mcp"], "holds a user name or password"),
        (["image", "--tools-override", "/nowhere"], "--tools-override: cannot read /nowhere"),
        (["image", "--remote-forward-headers", "X"], "--remote-forward-headers: 'X' is not KEY=VALUE"),
        (["--from-config", "/nowhere"], "--from-config: cannot read /nowhere"),
        (["image", "--from-config", "/nowhere"], "--from-config: the file holds all settings; leave out source"),
        (["--from-config", "/nowhere", "--name", "x"], "leave out --name"),
        (["--from-config", "/nowhere", "--", "--x"], "leave out what stands after --"),
        (["image", "--name", "not allowed"], "characters that are not allowed"),
        (["image", "--name", ""], None),
        (["image", "-e", "NOVALUE"], "--env: 'NOVALUE' is not KEY=VALUE"),
        (["image", "-l", "=x"], "--label: '=x' is not KEY=VALUE"),
        (["image", "-v", "/nowhere/at/all:/data"], "--volume: there is no /nowhere/at/all on this machine"),
        (["image", "-v", "data"], "--volume: 'data' is not HOST-PATH:CONTAINER-PATH"),
        (["image", "--env-file", "/nowhere"], "--env-file: cannot read /nowhere: No such file or directory"),
        (["image", "--permission-profile", "/nowhere"], "--permission-profile: cannot read /nowhere"),
        (["image", "--build-with", "x"], "--build-with: only packages are built"),
        (["npx://x", "--build-with", "x"], "--build-with: it adds Python requirements"),
        ([""], "IMAGE_OR_PROTOCOL: it is empty"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_in_a_sentence(
    api: PlayedApi, thv: Thv, arguments: list[str], said: str | None
) -> None:
    done = thv("run", *arguments)
    if said is None:
        assert done.code == 0
        return
    assert (done.code, api.asked) == (1, [])
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments", [[], ["image", "extra"], ["image", "--nonsense"], ["image", "--transport", "pigeon"]], ids=" ".join
)
def test_wrong_usage_is_exit_code_2(thv: Thv, arguments: list[str]) -> None:
    done = thv("run", *arguments)
    assert done.code == 2
    assert "Usage: thv run" in done.err


def test_the_words_to_choose_from_hold_no_empty_one(thv: Thv) -> None:
    assert "'foo' is not one of 'stdio', 'sse', 'streamable-http'." in thv("run", "x", "--transport", "foo").err
    assert thv("run", "x", "--transport", "").code == 0


def test_a_secret_in_a_bad_env_file_is_not_printed(thv: Thv, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\nhunter2\n")
    done = thv("run", "image", "--env-file", str(tmp_path / "env"))
    assert done.code == 1
    assert "line 2" in done.err
    assert "hunter2" not in done.err


def test_a_broken_permission_profile_says_what_is_wrong_with_it(thv: Thv, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"read": "/data"}')
    assert "read has to be a list" in thv("run", "image", "--permission-profile", str(tmp_path / "p.json")).err
    (tmp_path / "p.json").write_text('{"netwrok": {}}')
    assert "did you mean network?" in thv("run", "image", "--permission-profile", str(tmp_path / "p.json")).err
    (tmp_path / "p.json").write_text("{")
    assert "is no JSON" in thv("run", "image", "--permission-profile", str(tmp_path / "p.json")).err


def test_a_refusal_of_the_api_is_told_as_it_is(api: PlayedApi, thv: Thv) -> None:
    api.refusal = {"status": 404, "code": "package_not_found", "message": "PyPI has no package 'nothing'; check it"}
    done = thv("run", "uvx://nothing")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("Error: PyPI has no package 'nothing'; check it\n")


def test_a_refusal_before_the_stream_is_told_as_it_is(api: PlayedApi, thv: Thv) -> None:
    api.raw = lambda method, _: (
        (409, "text/plain", b"workload with name 'x' already exists") if method == "POST" else None
    )
    done = thv("run", "x")
    assert done.code == 1
    assert "Error: workload with name 'x' already exists" in done.err


def test_a_name_of_the_registry_gets_a_hint(api: PlayedApi, thv: Thv) -> None:
    api.refusal = {"status": 404, "code": "image_not_found", "message": "there is no image 'fetch'"}
    assert "Names of the registry are not looked up yet" in thv("run", "fetch").err


@pytest.mark.parametrize("status", ["unhealthy", "error"])
def test_a_server_that_exits_at_once_is_an_error_that_says_why_and_what_to_do(
    api: PlayedApi, thv: Thv, status: str
) -> None:
    api.made_as = {"status": status, "status_context": "exited with code 3; it said last: API_KEY is not set"}
    done = thv("run", "uvx://needs-key")
    assert (done.code, done.out) == (1, "")
    assert "exited with code 3; it said last: API_KEY is not set" in done.err
    assert "thv logs needs-key" in done.err
    assert "thv rm needs-key" in done.err


def test_a_proxy_that_does_not_serve_in_time_is_an_error(api: PlayedApi, thv: Thv) -> None:
    api.health_status = 503
    done = thv("run", "uvx://slow", "--wait", "1")
    assert done.code == 1
    assert "is not ready after 1 s" in done.err
    assert "answers with status 503" in done.err


def test_a_server_that_exits_soon_after_it_was_healthy_is_an_error(api: PlayedApi, thv: Thv) -> None:
    process = thv.start("run", "uvx://needs-key")
    assert api.probed.wait(30)
    api.workloads["needs-key"] |= {"status": "unhealthy", "status_context": "exited with code 1"}
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "exited with code 1" in told


def test_run_need_not_wait(api: PlayedApi, thv: Thv) -> None:
    api.health_status = 503
    done = thv("run", "uvx://slow", "--wait", "0")
    assert done.code == 0
    assert "'slow' is made and starting" in done.out


def test_ctrl_c_leaves_the_workload_and_says_so(api: PlayedApi, thv: Thv) -> None:
    api.health_status = 503
    process = thv.start("run", "uvx://slow")
    assert api.probed.wait(30)
    done = thv.interrupt(process)
    assert done.code == 130
    assert "'slow' goes on starting by itself" in done.err
    assert "Traceback" not in done.err
    assert "slow" in api.workloads


def test_a_stream_that_breaks_off_says_so(api: PlayedApi, thv: Thv) -> None:
    api.raw = lambda method, _: (200, "text/event-stream", b": nothing\n\n") if method == "POST" else None
    done = thv("run", "uvx://lost")
    assert done.code == 1
    assert "'thv list --all' shows what came of it" in done.err
