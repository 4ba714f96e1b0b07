"""``thv rm``."""

import click

from toolhive_cli.commands.base import thv_command
from toolhive_cli.commands.change import change_workloads
from toolhive_cli.config import Settings
from toolhive_cli.decisions.change import Change

__all__ = ["command"]


@thv_command(
    "rm",
    """
  thv rm mcp-server-time
  thv rm fetch github
  thv rm --all
""",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Remove all.")
@click.option("-g", "--group", default="", metavar="GROUP", help="Remove those of this group.")
@click.option(
    "--timeout", default=60, show_default=True, type=click.IntRange(0), metavar="SECONDS", help="How long to wait."
)
@click.pass_obj
def command(settings: Settings, *, names: tuple[str, ...], everything: bool, group: str, timeout: int) -> None:
    """Stop MCP servers and forget them, and wait until they are gone."""
    change_workloads(settings, Change.REMOVE, names, everything=everything, group=group, seconds=timeout)
