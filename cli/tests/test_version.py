import json
import re
import subprocess
import sys

import pytest

from .support.program import Thv

pytestmark = pytest.mark.wire

HEAVY = {"httpx", "pydantic", "rich", "asyncio"}
COMMANDS = ("run", "list", "status", "stop", "restart", "rm", "logs", "events", "version", "ls", "start")
NOBODY = Thv("http://127.0.0.1:1")


def _imported(*arguments: str) -> set[str]:
    code = (
        "import sys; from toolhive_cli.main import run; run(sys.argv[1:]); "
        "print(*{name.split('.')[0] for name, found in sys.modules.items() if found}, file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=NOBODY.environment
    )
    return set(result.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("version",), ("--help",), ("version", "--help")], ids=" ".join)
def test_version_and_help_import_nothing_that_makes_a_user_wait(arguments: tuple[str, ...]) -> None:
    assert not HEAVY & _imported(*arguments)


def test_list_imports_neither_rich_nor_what_httpx_has_for_its_own_command() -> None:
    assert not {"rich", "pygments"} & _imported("list")


def test_version_needs_no_api() -> None:
    done = NOBODY("version")
    assert done.code == 0
    lines = done.out.splitlines()
    assert re.fullmatch(r"ToolHive v\d+\.\d+\.\d+", lines[0])
    assert [line.split(": ")[0] for line in lines[1:]] == ["Commit", "Built", "Python version", "Platform"]


@pytest.mark.parametrize("flag", ["--format=json", "--json", "--json=true"])
def test_version_is_json_on_request(flag: str) -> None:
    assert set(json.loads(NOBODY("version", flag).out)) == {
        "version",
        "commit",
        "build_date",
        "python_version",
        "platform",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    done = NOBODY(command, "--help")
    assert done.code == 0
    assert "Examples:\n" in done.out
    assert "  thv " in done.out
