"""What all commands share: global options after the name, and Go's way of writing flags."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from toolhive_cli.config import Settings

__all__ = ["SERVER_ARGUMENTS", "ThvCommand", "thv_command"]

SERVER_ARGUMENTS = "toolhive_cli.server_arguments"
"""Key in the context's ``meta``: what stood after ``--``."""

_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})
_ASSIGNED = re.compile(r"(--[a-z0-9-]+)=(.*)", re.DOTALL | re.IGNORECASE)
_F = TypeVar("_F", bound=Callable[..., Any])


def _set_api_url(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.ensure_object(Settings).api_url = value


def _set_debug(ctx: click.Context, _param: click.Parameter, value: object) -> None:
    if value:
        ctx.ensure_object(Settings).debug = True


class ThvCommand(click.Command):
    """A command whose command line may be written as for the original ``thv``.

    Go's flags take ``--all=false`` where click knows ``--no-all`` only, and global flags may follow the command.
    What stands after ``--`` belongs to the server, and is kept apart from our own arguments.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--api-url"], metavar="URL", expose_value=False, hidden=True, callback=_set_api_url),
            click.Option(["--debug"], is_flag=True, expose_value=False, hidden=True, callback=_set_debug),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite Go's spelling into click's, then parse."""
        ours, dashes, theirs = args, [], []
        if "--" in args:
            at = args.index("--")
            ours, dashes, theirs = args[:at], args[at : at + 1], args[at + 1 :]
        ctx.meta[SERVER_ARGUMENTS] = tuple(theirs)
        takes_rest = any(isinstance(p, click.Argument) and p.nargs == -1 for p in self.params)
        rest = dashes + theirs if takes_rest else []
        switches = {name: p for p in self.params if isinstance(p, click.Option) and p.is_flag for name in p.opts}
        return super().parse_args(ctx, [self._switch(argument, switches) for argument in ours] + rest)

    @staticmethod
    def _switch(argument: str, switches: dict[str, click.Option]) -> str:
        match = _ASSIGNED.fullmatch(argument)
        option = switches.get(match[1]) if match else None
        if match is None or option is None:
            return argument
        if match[2].lower() in _TRUE:
            return match[1]
        if match[2].lower() in _FALSE and option.secondary_opts:
            return option.secondary_opts[0]
        raise click.BadParameter(f"{match[2]!r} is neither true nor false", param_hint=match[1])


def thv_command(name: str, examples: str) -> Callable[[_F], ThvCommand]:
    """Make a function the command of that name; its help ends with the examples."""
    return click.command(
        name,
        cls=ThvCommand,
        epilog="\b\nExamples:\n" + examples.strip("\n"),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
