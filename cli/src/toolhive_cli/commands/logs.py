"""``thv logs``."""

import asyncio

import click

from toolhive_cli.commands.base import thv_command
from toolhive_cli.config import Settings
from toolhive_cli.decisions.new_lines import new_text
from toolhive_cli.errors import UnsupportedFlagError
from toolhive_cli.factory.manager import with_manager
from toolhive_common.manager import Manager

__all__ = ["command"]

_POLL = 1.0


@thv_command(
    "logs",
    """
  thv logs mcp-server-time
  thv logs mcp-server-time --follow
""",
)
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("-p", "--proxy", is_flag=True, hidden=True)
@click.pass_obj
def command(settings: Settings, *, name: str, follow: bool, proxy: bool) -> None:
    """Print the last 1000 lines that an MCP server wrote."""
    if proxy:
        raise UnsupportedFlagError("--proxy", "the proxy serves all servers, and its log is that of its process")
    with_manager(settings, lambda manager: _print(manager, name, follow=follow))


async def _print(manager: Manager, name: str, *, follow: bool) -> None:
    before = await manager.logs(name)
    _write(before)
    # The API gives the end of a log, not a stream: what is new is what follows the lines that were seen.
    while follow:
        await asyncio.sleep(_POLL)
        after = await manager.logs(name)
        _write(new_text(before, after))
        before = after


def _write(text: str) -> None:
    if text:
        click.echo(text, nl=not text.endswith("\n"))
