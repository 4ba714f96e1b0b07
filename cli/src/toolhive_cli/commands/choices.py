"""Options that take one of several words."""

import click

__all__ = ["WordOrNothing"]


class WordOrNothing(click.Choice[str]):
    """One of several words, or an empty one, which is as good as no flag at all and stands in no message."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take an empty word as it is."""
        return "" if value == "" else super().convert(value, param, ctx)
