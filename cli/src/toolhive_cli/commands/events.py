"""``thv events``."""

import click

from toolhive_cli.adapters.event_log import EventLog
from toolhive_cli.commands.base import thv_command
from toolhive_cli.commands.choices import WordOrNothing
from toolhive_cli.config import Settings
from toolhive_cli.factory.events import with_events
from toolhive_cli.presentation.events import event_json, event_line
from toolhive_common.schemas.events import EventType

__all__ = ["command"]


@thv_command(
    "events",
    """
  thv events                                       all that are kept
  thv events --follow                              what happens from now on
  thv events --workload fetch --type container.died
  thv events --from 2026-01-31T12:00:00Z --follow --format json
""",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--workload", default="", metavar="NAME", help="Only those of this MCP server.")
@click.option(
    "--type",
    "event_type",
    default="",
    type=WordOrNothing([str(one) for one in EventType]),
    metavar="TYPE",
    help="Only those of this type, such as container.died.",
)
@click.option(
    "--from",
    "start",
    default="",
    metavar="SEQ|TIME",
    help="Begin with this sequence number or time (RFC 3339).  [default: the first; with --follow: what comes next]",
)
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(settings: Settings, *, follow: bool, workload: str, event_type: str, start: str, output: str) -> None:
    """Print lifecycle events: what was asked for, and what became of it.

    JSON is one CloudEvent a line.
    """
    begin = start or ("" if follow else "1")
    filters = {"workload": workload, "type": event_type, "from": begin}
    chosen = {key: value for key, value in filters.items() if value}
    with_events(settings, lambda log: _print(log, chosen, follow=follow, as_json=output == "json"))


async def _print(log: EventLog, filters: dict[str, str], *, follow: bool, as_json: bool) -> None:
    async for event in log.read(filters, follow=follow):
        click.echo(event_json(event) if as_json else event_line(event, None))
