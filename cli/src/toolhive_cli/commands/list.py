"""``thv list``."""

import click

from toolhive_cli.commands.base import thv_command
from toolhive_cli.config import Settings
from toolhive_cli.decisions.pairs import parse_pairs
from toolhive_cli.errors import UnsupportedFlagError
from toolhive_cli.factory.manager import with_manager
from toolhive_cli.presentation.workloads import client_config, workload_table, workloads_json

__all__ = ["command"]


@thv_command(
    "list",
    """
  thv list                         those that run
  thv list --all --format json     all, for programs
  thv list --format mcpservers     the configuration for an MCP client
  thv list -a -l team=search       all with a label
""",
)
@click.option("-a", "--all", "list_all", is_flag=True, help="Also those that do not run.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json", "mcpservers"]), default="text", show_default=True
)
@click.option("--group", default="", metavar="GROUP", help="Only those of this group.")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only those with this label.")
@click.option("--check-upgrades", is_flag=True, hidden=True)
@click.pass_obj
def command(
    settings: Settings, *, list_all: bool, output: str, group: str, labels: tuple[str, ...], check_upgrades: bool
) -> None:
    """List MCP servers, sorted by name."""
    if check_upgrades:
        raise UnsupportedFlagError("--check-upgrades", "there is no registry to compare with yet")
    wanted = parse_pairs("--label", labels)
    found = with_manager(
        settings, lambda manager: manager.list_workloads(list_all=list_all, labels=wanted, group=group)
    )
    match output:
        case "json":
            click.echo(workloads_json(found))
        case "mcpservers":
            click.echo(client_config(found))
        case _:
            click.echo(workload_table(found, None))
