"""Running the official conformance suite, and reading the checks it made."""

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from ..support.stack import ROOT
from .comparison import Check, Scores

__all__ = ["REVISIONS", "run_suite"]

REVISIONS = ("2025-11-25", "2026-07-28")
"""Released revisions whose requirements the suite knows: the last one of each era."""
_CLIENTS = ROOT / "tests/integration/clients"
_SCENARIO_SECONDS = 15
_RESULT_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_UNSCORED = re.compile(r"^\s+\S (?P<scenario>\S+) \((?:extension|pending|added-after-release)\)$", re.MULTILINE)


async def run_suite(url: str, revision: str) -> Scores:
    """Run what a revision requires of a server, and give all that was checked."""
    with tempfile.TemporaryDirectory(prefix="toolhive-conformance-") as folder:
        process = await asyncio.create_subprocess_exec(
            str(ROOT / ".cache/node/bin/node"),
            str(_CLIENTS / "node_modules/@modelcontextprotocol/conformance/dist/index.js"),
            *("server", "--url", url, "--requirements", revision, "--output-dir", folder),
            *("--timeout", str(_SCENARIO_SECONDS * 1000)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        results = _read(Path(folder))
    output = printed.decode()
    assert results, f"the suite checked nothing at {url}:\n{output[-2000:]}"
    return Scores(results, frozenset(_UNSCORED.findall(output)))


def _read(folder: Path) -> dict[str, tuple[Check, ...]]:
    found = {}
    for file in sorted(folder.glob("*/checks.json")):
        match = _RESULT_FOLDER.fullmatch(file.parent.name)
        assert match, f"a folder of results with an unknown name: {file.parent.name}"
        found[match["scenario"]] = tuple(_check(check) for check in json.loads(file.read_text()))
    return found


def _check(found: dict[str, Any]) -> Check:
    return Check(found["id"], found["status"], found.get("errorMessage", ""))
