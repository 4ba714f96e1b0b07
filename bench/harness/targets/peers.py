"""The bridges that people use today. Both bridge from and to stdio only, so between two of HTTP stand two of them."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.harness.containers import pids_with_label
from bench.harness.processes import running, wait_for_port
from bench.harness.settings import CACHE, LABEL
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_SSE, HTTP_TO_STDIO, NotHereError, Stage, Target

__all__ = [
    "mcp_proxy_http",
    "mcp_proxy_sse",
    "mcp_proxy_stdio",
    "supergateway_http",
    "supergateway_sse",
    "supergateway_stdio",
]

_SHARED_SESSIONS = 16
"""supergateway starts its command once for each session: 256 containers would be measured, and not the gateway."""


def _there(program: Path) -> str:
    if not program.exists():
        raise NotHereError(f"{program.name} is not there; bench/prepare installs it")
    return str(program)


def _container(peer: str, image: str) -> Sequence[str]:
    return ("docker", "run", "--interactive", "--rm", "--label", f"{LABEL}={peer}", image)


@contextmanager
def _mcp_proxy(stage: Stage, path: str, title: str, command: Sequence[str]) -> Iterator[Target]:
    program = _there(CACHE / "mcp-proxy/bin/mcp-proxy")
    port, log = stage.port(), stage.log(f"mcp-proxy-{path[-5:].strip()}")
    # By default it writes a line for each call.
    own = (program, "--log-level", "WARNING", "--pass-environment", "--port", str(port), "--", *command)
    with running(own, log) as pid:
        wait_for_port(port, log)
        url = f"http://127.0.0.1:{port}/mcp"
        label = f"{LABEL}=mcp-proxy"
        yield Target(title, path, "streamable-http", url=url, pids=lambda: [pid, *_if_stdio(path, label)])


def _if_stdio(path: str, label: str) -> Sequence[int]:
    return pids_with_label(label) if path == HTTP_TO_STDIO else ()


@contextmanager
def mcp_proxy_http(stage: Stage) -> Iterator[Target]:
    """One that serves, over one that is a client of streamable-http."""
    second = (_there(CACHE / "mcp-proxy/bin/mcp-proxy"), "--log-level", "WARNING")
    command = (*second, "--transport", "streamablehttp", f"http://{stage.http}/mcp")
    with _mcp_proxy(stage, HTTP_TO_HTTP, "mcp-proxy (two)", command) as target:
        yield target


@contextmanager
def mcp_proxy_sse(stage: Stage) -> Iterator[Target]:
    """One that serves, over one that is a client of SSE."""
    second = (_there(CACHE / "mcp-proxy/bin/mcp-proxy"), "--log-level", "WARNING")
    with _mcp_proxy(stage, HTTP_TO_SSE, "mcp-proxy (two)", (*second, f"http://{stage.sse}/sse")) as target:
        yield target


@contextmanager
def mcp_proxy_stdio(stage: Stage) -> Iterator[Target]:
    """What it is made for; one container for all sessions."""
    with _mcp_proxy(stage, HTTP_TO_STDIO, "mcp-proxy", _container("mcp-proxy", stage.stdio)) as target:
        yield target


def _supergateway_program() -> Sequence[str]:
    script = _there(CACHE / "supergateway/node_modules/supergateway/dist/index.js")
    own = CACHE / "node/bin/node"  # where the machine's is too old
    return (str(own) if own.exists() else "node", script, "--logLevel", "none")


@contextmanager
def _supergateway(stage: Stage, path: str, title: str, command: Sequence[str]) -> Iterator[Target]:
    port, log = stage.port(), stage.log(f"supergateway-{path[-5:].strip()}")
    flags = ("--outputTransport", "streamableHttp", "--stateful", "--port", str(port))
    with running((*_supergateway_program(), "--stdio", shlex.join(command), *flags), log) as pid:
        wait_for_port(port, log)
        url = f"http://127.0.0.1:{port}/mcp"
        label = f"{LABEL}=supergateway"
        yield Target(
            title,
            path,
            "streamable-http",
            url=url,
            pids=lambda: [pid, *_if_stdio(path, label)],
            sessions=_SHARED_SESSIONS,
        )


@contextmanager
def supergateway_http(stage: Stage) -> Iterator[Target]:
    """One that serves, over one that is a client of streamable-http."""
    command = (*_supergateway_program(), "--streamableHttp", f"http://{stage.http}/mcp")
    with _supergateway(stage, HTTP_TO_HTTP, "supergateway (two)", command) as target:
        yield target


@contextmanager
def supergateway_sse(stage: Stage) -> Iterator[Target]:
    """One that serves, over one that is a client of SSE."""
    command = (*_supergateway_program(), "--sse", f"http://{stage.sse}/sse")
    with _supergateway(stage, HTTP_TO_SSE, "supergateway (two)", command) as target:
        yield target


@contextmanager
def supergateway_stdio(stage: Stage) -> Iterator[Target]:
    """What it is made for; a container for each session."""
    with _supergateway(stage, HTTP_TO_STDIO, "supergateway", _container("supergateway", stage.stdio)) as target:
        yield target
