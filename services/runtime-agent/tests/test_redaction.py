"""Secrets stay out of what is told."""

import pytest

from toolhive_agent.decisions.redaction import hidden_values, redacted
from toolhive_common.schemas.runconfig import RuntimeConfig
from toolhive_common.testing.factories import a_run_config


@pytest.mark.parametrize(
    ("arguments", "line", "told"),
    [
        (("--api-key", "abcdefgh1"), "bad abcdefgh1", "bad ***"),
        (("--api-key=abcdefgh1",), "bad abcdefgh1 of --api-key", "bad *** of --api-key"),
        (("--header", "Authorization: Bearer abcdefgh1"), "bad abcdefgh1", "bad ***"),
        (("-e", "MY_PASSWORD=abcdefgh1"), "bad abcdefgh1", "bad ***"),
        (("--api-key", "short"), "a short word", "a short word"),
        (("--api-key", "--verbose-mode"), "use --verbose-mode", "use --verbose-mode"),
        (("--directory", "/projects/here"), "no /projects/here", "no /projects/here"),
    ],
)
def test_arguments_that_look_like_secrets_are_hidden(arguments: tuple[str, ...], line: str, told: str) -> None:
    assert redacted([line], hidden_values(a_run_config(cmd_args=arguments))) == (told,)


def test_values_of_both_environments_are_hidden_line_by_line_and_when_cut() -> None:
    run_config = a_run_config(
        env_vars={"PEM": "-----BEGIN\nabcdefghijkl\n"},
        runtime_config=RuntimeConfig(runtime_env={"TOKEN": "0123456789"}),
    )
    lines = ["read abcdefghijkl", "step 1/2: 0123456789 failed", "cut off: 01234567"]
    assert redacted(lines, hidden_values(run_config)) == ("read ***", "step 1/2: *** failed", "cut off: ***")
