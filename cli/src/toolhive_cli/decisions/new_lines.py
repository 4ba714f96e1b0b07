"""What is new in a log that can only be read from its end."""

__all__ = ["new_text"]


def new_text(before: str, after: str) -> str:
    """Give the lines of ``after`` that follow the last of ``before``.

    Both are the end of the same log. The longest end of ``before`` that ``after`` begins with is what both show;
    where they share nothing, so much was written that all is new.
    """
    if after.startswith(before):
        return after[len(before) :]
    seen, now = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for start in range(max(1, len(seen) - len(now)), len(seen)):
        if now[: len(seen) - start] == seen[start:]:
            return "".join(now[len(seen) - start :])
    return after
