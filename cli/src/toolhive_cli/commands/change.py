"""What ``stop``, ``restart`` and ``rm`` share: which workloads, and how the results are shown."""

from collections.abc import Sequence

import click

from toolhive_cli.adapters.terminal import notice, open_screen
from toolhive_cli.config import Settings
from toolhive_cli.decisions.change import Change
from toolhive_cli.errors import NotDoneError
from toolhive_cli.factory.manager import with_manager
from toolhive_cli.factory.services import changing
from toolhive_cli.presentation.workloads import NO_WORKLOADS
from toolhive_cli.services.changing import Result
from toolhive_common.manager import Manager

__all__ = ["change_workloads"]


def change_workloads(
    settings: Settings, change: Change, names: Sequence[str], *, everything: bool, group: str, seconds: float
) -> None:
    """Change the workloads that are named, all, or those of a group; say what became of each.

    Raises
    ------
    click.UsageError
        Not exactly one of the three ways to choose is used.
    NotDoneError
        One at least failed.
    """
    if sum([bool(names), everything, bool(group)]) != 1:
        raise click.UsageError(f"say what to {change}: names, --all, or --group GROUP")
    results = with_manager(
        settings, lambda manager: _change(manager, settings, change, tuple(dict.fromkeys(names)), group, seconds)
    )
    failed = [one.name for one in results if one.problem]
    if change is Change.RESTART and len(results) > 1:
        click.echo(f"Restart summary: {len(results) - len(failed)} succeeded, {len(failed)} failed")
    if failed:
        raise NotDoneError(change, failed, len(results))


async def _change(
    manager: Manager, settings: Settings, change: Change, names: Sequence[str], group: str, seconds: float
) -> list[Result]:
    service = changing(manager)
    chosen = names or await service.names(group=group)
    if not chosen:
        notice(f"{NO_WORKLOADS} in group '{group}'" if group else NO_WORKLOADS)
    results = list[Result]()
    with open_screen(debug=settings.debug) as screen:
        if chosen:
            screen.stage(change.going_on, _count(results, chosen), None)
        async for result in service.apply(change, chosen, seconds=seconds):
            results.append(result)
            screen.result(_line(change, result), failed=bool(result.problem))
            screen.stage(change.going_on, _count(results, chosen), len(results) / len(chosen))
    return results


def _count(results: Sequence[Result], chosen: Sequence[str]) -> str:
    return chosen[0] if len(chosen) == 1 else f"{len(results)} of {len(chosen)}"


def _line(change: Change, result: Result) -> str:
    if result.problem:
        return f"Could not {change} {result.name}: {result.problem}"
    return f"{result.name} was stopped already" if result.unchanged else f"{change.done} {result.name}"
