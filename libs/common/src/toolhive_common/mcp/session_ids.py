"""Ids of sessions: each lets in whoever knows it, so that only a part of it may be shown."""

__all__ = ["shown_part"]

_SHOWN = 8


def shown_part(session: str) -> str:
    """The first characters of an id, which tell sessions apart for people.

    Whatever stands for an id begins with them: events of an agent and of a proxy, and names under which sessions are
    kept, can be told to be of the same session.
    """
    return session[:_SHOWN]
