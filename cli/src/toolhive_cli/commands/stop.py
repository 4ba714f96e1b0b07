"""``thv stop``."""

import click

from toolhive_cli.commands.base import thv_command
from toolhive_cli.commands.change import change_workloads
from toolhive_cli.config import Settings
from toolhive_cli.decisions.change import Change

__all__ = ["command"]


@thv_command(
    "stop",
    """
  thv stop mcp-server-time
  thv stop fetch github
  thv stop --all
  thv stop --group research
""",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-a", "--all", "everything", is_flag=True, help="Stop all.")
@click.option("-g", "--group", default="", metavar="GROUP", help="Stop those of this group.")
@click.option(
    "--timeout", default=30, show_default=True, type=click.IntRange(0), metavar="SECONDS", help="How long to wait."
)
@click.pass_obj
def command(settings: Settings, *, names: tuple[str, ...], everything: bool, group: str, timeout: int) -> None:
    """Stop MCP servers, and wait until they are stopped. Stopping a stopped one is no error."""
    change_workloads(settings, Change.STOP, names, everything=everything, group=group, seconds=timeout)
