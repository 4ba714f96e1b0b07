"""The ``thv`` group: finds commands by name, and turns what goes wrong into a sentence and an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from toolhive_cli.config import DEFAULT_API_URL, Settings
from toolhive_cli.errors import UnsupportedFlagError
from toolhive_common.errors import ToolHiveError

__all__ = ["run"]

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count

_COMMANDS = {
    "run": ("run", "Run an MCP server"),
    "list": ("list", "List MCP servers (alias: ls)"),
    "status": ("status", "Show one MCP server"),
    "stop": ("stop", "Stop MCP servers"),
    "restart": ("restart", "Start MCP servers anew (alias: start)"),
    "rm": ("rm", "Stop and remove MCP servers"),
    "logs": ("logs", "Print what an MCP server wrote"),
    "events": ("events", "Print what happened, and follow what happens"),
    "version": ("version", "Print the version"),
}
"""Command to the module in ``commands`` that holds it, and its line in the help. Kept here so that the help of
the whole imports no command."""

_ALIASES = {"ls": "list", "start": "restart"}

_NOT_YET = frozenset(
    {
        "export",
        "serve",
        "proxy",
        "inspector",
        "mcp",
        "search",
        "registry",
        "build",
        "client",
        "group",
        "secret",
        "config",
        "runtime",
        "upgrade",
        "tui",
        "vmcp",
        "skill",
        "ai-plugin",
        "llm",
    }
)
"""Commands of ToolHive that are refused by name."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name in _NOT_YET:
            raise UnsupportedFlagError(f"the command '{cmd_name}'", "it comes with a later one")
        found = _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))
        if found is None:
            return None
        command: click.Command = importlib.import_module(f"toolhive_cli.commands.{found[0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  thv run uvx://mcp-server-time       run a server from PyPI
  thv list --all                      what there is
  thv events --follow                 watch what happens
""",
)
@click.option(
    "--api-url",
    envvar="TOOLHIVE_API_URL",
    show_envvar=True,
    metavar="URL",
    help=f"Address of the ToolHive API.  [default: {DEFAULT_API_URL}]",
)
@click.option("--debug", envvar="TOOLHIVE_DEBUG", show_envvar=True, is_flag=True, help="Tell what is being done.")
@click.pass_obj
def _thv(settings: Settings, *, api_url: str | None, debug: bool) -> None:
    """Run MCP servers in containers, behind an HTTP proxy."""
    settings.api_url = api_url or settings.api_url
    settings.debug = debug


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns
    -------
    int
        The exit code: 0, 1 for an error, 2 for a command line that makes no sense, 130 after Ctrl-C. A reader of
        the output that goes away ends the process quietly with 1 (click does that).
    """
    settings = Settings()
    try:
        result = _thv.main(list(arguments), prog_name="thv", standalone_mode=False, obj=settings)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ToolHiveError as error:
        return _fail(error.message, debug=settings.debug)
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the top of the process: a user gets a sentence, whatever it is
        return _fail(
            f"thv met a problem it does not know: {type(error).__name__}: {error}. This is a mistake in thv; please "
            "report it with the output of the same command with --debug",
            debug=settings.debug,
        )
    return result if isinstance(result, int) else 0


def _fail(message: str, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    colourful = sys.stderr.isatty() and not plain
    label = click.style("Error:", fg="red", bold=True) if colourful else "Error:"
    click.echo(f"{label} {message}", err=True)
    return EXIT_ERROR
