"""``thv status``."""

from datetime import UTC, datetime

import click

from toolhive_cli.commands.base import thv_command
from toolhive_cli.config import Settings
from toolhive_cli.factory.manager import with_manager
from toolhive_cli.presentation.workloads import workload_details, workload_details_json

__all__ = ["command"]


@thv_command(
    "status",
    """
  thv status mcp-server-time
  thv status mcp-server-time --format json
""",
)
@click.argument("name")
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(settings: Settings, *, name: str, output: str) -> None:
    """Show one MCP server."""
    workload = with_manager(settings, lambda manager: manager.get_workload(name))
    now = datetime.now(tz=UTC)
    if output == "json":
        click.echo(workload_details_json(workload, now=now))
    else:
        click.echo(workload_details(workload, now=now, zone=None))
