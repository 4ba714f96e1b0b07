"""ToolHive for Python: its services as plain processes with a real nats-server, its servers made by ``thv run``."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness.containers import address_of, docker, pids_with_label, remove_all
from bench.harness.processes import BenchError, running, until, wait_for_port
from bench.harness.settings import CACHE, LABEL, ROOT, Settings, backend_image
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_SSE, HTTP_TO_STDIO, Stage, Target

__all__ = ["NAME", "Product", "attached", "http", "serving", "sse", "stdio"]

NAME = "ToolHive for Python"
_PASSWORD = "bench"  # noqa: S105  # of throw-away servers on loopback
_PROXY = CACHE / "proxy/bin/python"
"""Of an environment that has what the proxy's image has."""
_SESSIONS = 20_000
SERVERS = {"http": "streamable-http", "sse": "sse", "stdio": "stdio"}
"""Name and transport of the workloads that all paths use."""


@dataclass
class Product:
    """The running product: process ids by service, and what it is called by."""

    settings: Settings
    folder: Path
    environment: Mapping[str, str]
    pids: dict[str, int]

    @property
    def proxy_port(self) -> int:
        """Where the proxy listens."""
        return self.settings.first_port + 2

    def url(self, name: str) -> str:
        """Where a workload answers MCP."""
        return f"http://127.0.0.1:{self.proxy_port}/{name}/mcp"

    def thv(self, *arguments: str) -> str:
        """Run the command line and give what it printed."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("thv")), *arguments],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if done.returncode:
            raise BenchError(f"thv {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def run(self, name: str, transport: str, *flags: str) -> None:
        """Run one server and return when it serves."""
        port = () if transport == "stdio" else ("--target-port", "8080")
        self.thv("run", "--name", name, "--transport", transport, *port, *flags, backend_image())

    def stage(self) -> Stage:
        """The stage with the servers that this product runs, for all other targets too."""
        container = {
            name: docker(
                *(
                    "ps",
                    "--quiet",
                    "--filter",
                    f"label=toolhive-agent={LABEL}",
                    "--filter",
                    f"label=toolhive-name=bench-{name}",
                )
            ).strip()
            for name in SERVERS
        }
        return Stage(
            self.settings,
            self.folder,
            http=f"{address_of(container['http'])}:8080",
            sse=f"{address_of(container['sse'])}:8080",
            stdio=backend_image(),
            ours=self.url,
            our_pids=self.pids,
        )


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[Product]:
    """Run NATS, the API, the agent and the proxy, and the servers, for the length of the block."""
    first = settings.first_port
    ports = {"nats": first, "api": first + 1, "proxy": first + 2, "agent": first + 3}
    base = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHIVE_")}
    environment = base | {
        "TOOLHIVE_NATS_URL": f"nats://127.0.0.1:{ports['nats']}",
        "TOOLHIVE_NATS_PASSWORD": _PASSWORD,
        "TOOLHIVE_API_URL": f"http://127.0.0.1:{ports['api']}",
        "TOOLHIVE_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/toolhive.db",
        "TOOLHIVE_PROXY_PUBLIC_URL": f"http://127.0.0.1:{ports['proxy']}",
        "TOOLHIVE_PROXY_MAX_SESSIONS": str(_SESSIONS),
        "TOOLHIVE_MAX_SESSIONS": str(_SESSIONS),
        "TOOLHIVE_AGENT": LABEL,
        "TOOLHIVE_AGENT_NAME": LABEL,
        "TOOLHIVE_NETWORK": f"{LABEL}-external",
        "NO_COLOR": "1",
    }
    product = Product(settings, folder, environment, {})
    remove_all()
    with ExitStack() as stack:
        stack.callback(remove_all)
        for name in ("nats", "api", "agent", "proxy"):
            program = str(_PROXY) if name == "proxy" else sys.executable
            command = _nats(folder, ports["nats"]) if name == "nats" else (program, "-m", f"toolhive_{name}")
            own = dict(environment) | {"TOOLHIVE_PORT": str(ports[name])}
            own |= {f"TOOLHIVE_NATS_{role}_PASSWORD": _PASSWORD for role in ("API", "AGENT", "PROXY", "SUBSCRIBER")}
            log = folder / f"{name}.log"
            product.pids[name] = stack.enter_context(running(command, log, own))
            wait_for_port(ports[name], log)
        for name in ("api", "agent", "proxy"):
            log = folder / f"{name}.log"
            until(f"{name} is ready", _ready(ports[name]), log=log)
        for name, transport in SERVERS.items():
            product.run(f"bench-{name}", transport)
        yield product


def _nats(folder: Path, port: int) -> Sequence[str]:
    """A real nats-server with production's configuration, but for where it listens and keeps its data."""
    beside = Path(sys.executable).with_name("nats-server")
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if not program:
        raise BenchError("nats-server is not there; run `make setup`")
    text = (ROOT / "deploy/nats/nats.conf").read_text().replace('"/data"', f'"{folder}/jetstream"')
    config = folder / "nats.conf"
    config.write_text("\n".join(line for line in text.splitlines() if not line.startswith("http_port")) + "\n")
    return (program, "--config", str(config), "--addr", "127.0.0.1", "--port", str(port))


def _ready(port: int, path: str = "/readyz") -> Callable[[], bool]:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return answers


@contextmanager
def http(stage: Stage) -> Iterator[Target]:
    """A streamable-http server: the proxy reaches its container itself."""
    pid = stage.our_pids["proxy"]
    yield Target(NAME, HTTP_TO_HTTP, "streamable-http", url=stage.ours("bench-http"), pids=lambda: [pid])


@contextmanager
def sse(stage: Stage) -> Iterator[Target]:
    """An SSE server, by clients that speak streamable-http."""
    pid = stage.our_pids["proxy"]
    yield Target(NAME, HTTP_TO_SSE, "streamable-http", url=stage.ours("bench-sse"), pids=lambda: [pid])


@contextmanager
def stdio(stage: Stage) -> Iterator[Target]:
    """A stdio server that the agent holds: between it and the proxy is NATS."""
    own = [stage.our_pids[name] for name in ("proxy", "agent", "nats")]
    yield Target(
        f"{NAME}, over NATS",
        HTTP_TO_STDIO,
        "streamable-http",
        url=stage.ours("bench-stdio"),
        pids=lambda: [*own, *pids_with_label("toolhive-name=bench-stdio")],
    )


@contextmanager
def attached(stage: Stage) -> Iterator[Target]:
    """A stdio server whose container a detached proxy holds itself."""
    port, log, name = stage.port(), stage.log("attached"), "bench-attached"
    run_config = {"name": name, "image": stage.stdio, "transport": "stdio", "host": "127.0.0.1", "port": port}
    file = stage.folder / "attached.json"
    file.write_text(json.dumps(run_config))
    docker("rm", "--force", name, check=False)  # of a run that was broken off
    docker("create", "--interactive", "--name", name, "--label", f"{LABEL}=attached", stage.stdio)
    command = (str(_PROXY), "-m", "toolhive_proxy.detached", "--run-config", str(file), "--container", name)
    environment = dict(os.environ) | {"TOOLHIVE_PROXY_MAX_SESSIONS": str(_SESSIONS)}
    try:
        with running(command, log, environment) as pid:
            until("the detached proxy serves", _ready(port, "/health"), log=log)
            yield Target(
                f"{NAME}, attached",
                HTTP_TO_STDIO,
                "streamable-http",
                url=f"http://127.0.0.1:{port}/mcp",
                pids=lambda: [pid, *pids_with_label(f"{LABEL}=attached")],
            )
    finally:
        docker("rm", "--force", name, check=False)
