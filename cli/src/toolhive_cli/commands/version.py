"""``thv version``. Imports nothing that it does not print: it is what start-up time is measured with."""

import json
import platform
import sys

import click

from toolhive_cli.commands.base import thv_command
from toolhive_common import __version__

__all__ = ["command"]

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names, which ToolHive prints."""


def _facts() -> dict[str, str]:
    machine = platform.machine()
    return {
        "version": f"v{__version__}",
        "commit": "unknown",
        "build_date": "unknown",
        "python_version": platform.python_version(),
        "platform": f"{sys.platform}/{_MACHINES.get(machine, machine)}",
    }


@thv_command(
    "version",
    """
  thv version
  thv version --format json
""",
)
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, hidden=True, help="Older spelling of --format json.")
def command(*, output: str, as_json: bool) -> None:
    """Print the version. Needs no API."""
    facts = _facts()
    if output == "json" or as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"ToolHive {facts['version']}")
    click.echo(f"Commit: {facts['commit']}")
    click.echo(f"Built: {facts['build_date']}")
    click.echo(f"Python version: {facts['python_version']}")
    click.echo(f"Platform: {facts['platform']}")
