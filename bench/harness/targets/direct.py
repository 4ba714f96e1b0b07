"""The servers themselves, with nothing before them: the upper bound."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.harness.settings import LABEL
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_SSE, HTTP_TO_STDIO, Stage, Target

__all__ = ["http", "sse", "stdio"]

_NAME = "direct"


@contextmanager
def http(stage: Stage) -> Iterator[Target]:
    """The streamable-http server in its container."""
    yield Target(_NAME, HTTP_TO_HTTP, "streamable-http", url=f"http://{stage.http}/mcp")


@contextmanager
def sse(stage: Stage) -> Iterator[Target]:
    """The SSE server in its container, by clients that speak SSE."""
    yield Target(f"{_NAME} (SSE client)", HTTP_TO_SSE, "sse", url=f"http://{stage.sse}/sse")


@contextmanager
def stdio(stage: Stage) -> Iterator[Target]:
    """The stdio server behind ``docker run``, all connections on its one stream."""
    command = ("docker", "run", "--interactive", "--rm", "--label", f"{LABEL}=direct", stage.stdio)
    yield Target(f"{_NAME} (docker run)", HTTP_TO_STDIO, "stdio", command=command)
