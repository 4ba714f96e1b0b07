"""``thv restart`` (``thv start``)."""

import click

from toolhive_cli.commands.base import thv_command
from toolhive_cli.commands.change import change_workloads
from toolhive_cli.config import Settings
from toolhive_cli.decisions.change import Change
from toolhive_cli.errors import UnsupportedFlagError

__all__ = ["command"]


@thv_command(
    "restart",
    """
  thv restart mcp-server-time
  thv start fetch github      the same, by its other name
  thv restart --all
""",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-a", "--all", "everything", is_flag=True, help="Restart all.")
@click.option("-g", "--group", default="", metavar="GROUP", help="Restart those of this group.")
@click.option("-f", "--foreground", is_flag=True, hidden=True)
@click.option(
    "--timeout", default=300, show_default=True, type=click.IntRange(0), metavar="SECONDS", help="How long to wait."
)
@click.pass_obj
def command(
    settings: Settings, *, names: tuple[str, ...], everything: bool, group: str, foreground: bool, timeout: int
) -> None:
    """Start MCP servers anew, stopped ones too, and wait until they run."""
    if foreground:
        raise UnsupportedFlagError("--foreground", "servers are run by the runtime agent, not by this command")
    change_workloads(settings, Change.RESTART, names, everything=everything, group=group, seconds=timeout)
