#!/usr/bin/env python3
"""Wait until each service of the stack is ready, and where one is not say why.

Usage: scripts/wait_ready.py [SECONDS]
Each service is asked for /readyz from inside its container; NATS only has to run: no other is ready without it.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

COMPOSE = str(Path(__file__).resolve().parent / "compose")
ASK = """
import os, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(f"http://127.0.0.1:{os.environ['TOOLHIVE_PORT']}/readyz", timeout=3)
    print("ready" if answer.status == 200 else answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except OSError as error:
    print("does not listen yet:", error)
"""


def run(*command: str) -> str:
    """Output of a program, both streams, whatever its status."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout.strip()


@dataclass(frozen=True)
class Service:
    """One service of the stack and its container."""

    name: str
    container: str

    def obstacle(self) -> str:
        """Why it is not ready; empty when it is."""
        if not self.container:
            return "has no container"
        state = json.loads(run("docker", "inspect", "--format", "{{json .State}}", self.container))
        if not state["Running"] or state.get("Restarting"):
            return f"is {state['Status']}, exit code {state['ExitCode']}; its last words:\n{self.last_words()}"
        if self.name == "nats":
            # Its health check may take 10 s to say so; that the others are ready proves that NATS is.
            return f"its health check fails:\n{self.last_words()}" if state["Health"]["Status"] == "unhealthy" else ""
        answer = run("docker", "exec", self.container, "python", "-c", ASK)
        return "" if answer == "ready" else answer

    def last_words(self) -> str:
        """The end of its log."""
        return run("docker", "logs", "--tail", "5", self.container)


def main() -> int:
    """Ask until all are ready or time is up."""
    patience = float(sys.argv[1]) if len(sys.argv) > 1 else 90.0
    begun = time.monotonic()
    waiting = [Service(name, run(COMPOSE, "ps", "-q", name)) for name in ("nats", "api", "runtime-agent", "proxy")]
    while True:
        obstacles = {}
        for service in waiting:
            if obstacle := service.obstacle():
                obstacles[service] = obstacle
            else:
                print(f"  {service.name}: ready ({time.monotonic() - begun:.0f} s)", file=sys.stderr)
        if not obstacles:
            return 0
        waiting = list(obstacles)
        if time.monotonic() - begun > patience:
            for service, obstacle in obstacles.items():
                print(f"error: {service.name} is not ready: {obstacle}", file=sys.stderr)
                print(f"       Its log: scripts/compose logs {service.name}", file=sys.stderr)
            return 1
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
