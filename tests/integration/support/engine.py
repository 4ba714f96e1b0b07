"""What the tests ask of the container engine, by its command line: a second opinion beside the product's own."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["build_image", "containers_of", "docker", "inspect", "networks_of"]


def docker(*arguments: str, check: bool = True) -> str:
    """Run the engine's command line and give what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def inspect(container: str) -> dict[str, Any]:
    """Everything the engine knows of a container."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", container))
    return found[0]


def containers_of(agent: str, *, running: bool = False) -> Sequence[str]:
    """Names of an agent's containers, sorted."""
    flags = [] if running else ["--all"]
    listed = docker("ps", *flags, "--filter", f"label=toolhive-agent={agent}", "--format", "{{.Names}}")
    return sorted(listed.split())


def networks_of(workload: str) -> Sequence[str]:
    """Names of networks that were made for a workload."""
    return docker("network", "ls", "--filter", f"name=toolhive-{workload}-", "--format", "{{.Name}}").split()


def build_image(tag: str, folder: Path, **arguments: str) -> None:
    """Build an image of the tests; the engine's cache makes a second time quick."""
    flags = [flag for name, value in arguments.items() for flag in ("--build-arg", f"{name}={value}")]
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, *flags, str(folder)],
        check=True,
        capture_output=True,
        env={"DOCKER_BUILDKIT": "0", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
    )
