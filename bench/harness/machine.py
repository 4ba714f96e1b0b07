"""Where and with what a run was made, for whoever reads its figures later."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.harness.settings import CACHE, ROOT

__all__ = ["conditions"]


def conditions() -> Sequence[str]:
    """Date, machine and versions, a line each."""
    commit = _first("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    return [
        f"Date: {datetime.now(UTC):%Y-%m-%d}; commit {commit}.",
        f"Machine: {_processor()}, {os.cpu_count()} cores, {_memory():.0f} GB.",
        f"System: {_system()}, Linux {platform.release()}.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in _versions() if version) + ".",
    ]


def _versions() -> Sequence[tuple[str, str]]:
    packages = CACHE / "mcp-proxy/bin/pip"
    gateway = CACHE / "supergateway/node_modules/supergateway/package.json"
    return (
        ("Python", platform.python_version()),
        ("nginx", _number(CACHE / "nginx/usr/sbin/nginx", "-v")),
        ("mcp-proxy", _number(packages, "show", "mcp-proxy")),
        ("supergateway", _found(r'"version": "([\d.]+)"', gateway.read_text()) if gateway.exists() else ""),
        ("Node", _number("node", "--version")),
        ("Go", _number("go", "version")),
        ("Docker", _number("docker", "version", "--format", "{{.Server.Version}}")),
    )


def _first(*command: str | Path) -> str:
    """First line that a program prints; empty where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip().partition("\n")[0] if "show" not in command else done.stdout


def _number(*command: str | Path) -> str:
    return _found(r"(\d+\.\d+[\d.]*)", _first(*command))


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def _processor() -> str:
    return _found(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) or platform.machine()


def _memory() -> float:
    return int(_found(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()) or 0) / 1e6


def _system() -> str:
    return _found(r'PRETTY_NAME="(.+)"', Path("/etc/os-release").read_text())
