"""Files that say how a proxy is to serve: those of variables, and the RunConfig."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.errors import RunConfigError
from toolhive_proxy.single import read_run_config

NOWHERE = "/nowhere/authorities.pem"


@pytest.mark.parametrize("variable", ["TOOLHIVE_CA_BUNDLE", "TOOLHIVE_NATS_CA_FILE"])
def test_a_file_that_is_not_there_is_told_in_a_sentence_while_nats_is_down(variable: str) -> None:
    ended = run(**{variable: NOWHERE})
    assert (ended.returncode, ended.stderr.splitlines()) == (
        1,
        [
            (
                f"{variable} names the file {NOWHERE}, which cannot be read: No such file or directory; correct the "
                "variable or leave it out"
            )
        ],
    )


def test_a_file_that_holds_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_bytes(b"\xff")
    assert "cannot be read: it is no text" in run(TOOLHIVE_CA_BUNDLE=str(tmp_path / "bundle.pem")).stderr


def test_a_key_that_nobody_knows_is_refused_in_a_file_that_a_user_gives_only(tmp_path: Path) -> None:
    config, path = a_run_config(port=9), tmp_path / "run.json"
    path.write_text(json.dumps(json.loads(config.to_json()) | {"tool_filter": ["a"]}))
    assert read_run_config(path) == config
    with pytest.raises(RunConfigError, match=r"did you mean tools_filter\?"):
        read_run_config(path, by_hand=True)


def run(**variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHIVE_")}
    return subprocess.run(
        [sys.executable, "-m", "toolhive_proxy"],
        env={**kept, "TOOLHIVE_NATS_URL": "nats://127.0.0.1:1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
