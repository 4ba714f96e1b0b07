"""Containers of the benchmark, by the engine's command line."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from bench.harness.processes import BenchError
from bench.harness.settings import LABEL

__all__ = ["address_of", "docker", "pids_with_label", "remove_all"]


def docker(*arguments: str, check: bool = True) -> str:
    """Run the engine's command line and give what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode:
        raise BenchError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def address_of(container: str) -> str:
    """IP address of a container, as this machine reaches it."""
    networks: dict[str, Any] = json.loads(
        docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
    )
    addresses = [network["IPAddress"] for network in networks.values() if network["IPAddress"]]
    if not addresses:
        raise BenchError(f"container {container} has no address that this machine could reach")
    return str(addresses[0])


def pids_with_label(label: str) -> Sequence[int]:
    """First process of each running container with the label."""
    found = docker("ps", "--quiet", "--filter", f"label={label}").split()
    if not found:
        return []
    return [int(pid) for pid in docker("inspect", "--format", "{{.State.Pid}}", *found, check=False).split()]


def remove_all() -> None:
    """Remove every container of the benchmark, also of a run that was broken off, and its network."""
    for label in (LABEL, f"toolhive-agent={LABEL}"):
        if found := docker("ps", "--all", "--quiet", "--filter", f"label={label}").split():
            docker("rm", "--force", "--volumes", *found, check=False)
    docker("network", "rm", f"{LABEL}-external", check=False)
