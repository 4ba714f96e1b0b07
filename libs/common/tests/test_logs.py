import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import structlog

from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.observability.logs import configure_logging
from toolhive_common.schemas.state import DesiredWorkload
from toolhive_common.testing.factories import a_desired

_SECRET = "ghp_0123456789abcdef"


Lines = Callable[[], str]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What a service wrote to its log."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging("proxy")
    yield stderr.getvalue
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


def _fail(token: str) -> None:
    raise RuntimeError(f"a mistake of ours after {len(token)} characters")


def _wrong() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(a_desired().to_json())
    value["run_config"]["env_vars"] = [{"name": "GITHUB_TOKEN", "value": _SECRET}]
    return value


def test_a_logged_exception_tells_where_it_came_from_and_not_what_was_worked_on(written: Lines) -> None:
    try:
        _fail(_SECRET)
    except RuntimeError:
        structlog.get_logger("of a test").exception("a request failed")
    line = written()
    [told] = json.loads(line)["exception"]
    assert (told["exc_type"], told["exc_value"]) == ("RuntimeError", "a mistake of ours after 20 characters")
    assert [frame["name"] for frame in told["frames"]][-1] == "_fail"
    assert _SECRET not in line


@pytest.mark.parametrize("grouped", [False, True])
def test_the_text_of_an_exception_that_quotes_values_is_left_out(written: Lines, *, grouped: bool) -> None:
    try:
        try:
            DesiredWorkload.model_validate(_wrong())
        except ValueError as error:
            if grouped:
                raise ExceptionGroup("several", [error]) from None
            raise RuntimeError("while reading") from error
    except (ExceptionGroup, RuntimeError):
        structlog.get_logger("of a test").exception("a request failed")
    line = written()
    assert "ValidationError" in line
    assert _SECRET not in line


def test_a_value_that_does_not_fit_its_schema_is_logged_by_its_places_only(written: Lines) -> None:
    bucket = Bucket(cast("Bus", None), "toolhive_desired", DesiredWorkload)
    assert bucket._parse("default.time", json.dumps(_wrong()).encode()) is None
    line = written()
    assert json.loads(line)["wrong"] == ["run_config.env_vars: dict_type"]
    assert _SECRET not in line
