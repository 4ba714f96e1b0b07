#!/usr/bin/env python3
"""Write .env, what compose reads: passwords, ports and names of this stack. What stands there is kept.

Usage: scripts/configure.py
"""

import os
import platform
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROLES = ("API", "AGENT", "PROXY", "SUBSCRIBER")
"""The NATS users, as toolhive_common.access names them; this script runs before that package is there."""


def engine_group(socket: Path) -> str:
    """Id of the group that owns the engine's socket; the agent joins it to be let in."""
    # In the virtual machine of Docker Desktop and its like the socket is root's, whoever owns it outside.
    if platform.system() != "Linux" or not socket.exists():
        return "0"
    return str(socket.stat().st_gid)


def own_authorities() -> dict[str, str]:
    """The machine's CA bundle, when someone added to it: images of packages then need it to be built."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    added = any(Path("/usr/local/share/ca-certificates").glob("*.crt"))
    return {"TOOLHIVE_CA_BUNDLE_FILE": str(bundle)} if added and bundle.exists() else {}


def read(path: Path) -> dict[str, str]:
    """Read NAME=VALUE lines."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def main() -> int:
    """Add what is missing, and bring the socket's group up to date."""
    path = ROOT / ".env"
    there = read(path)
    socket = Path(
        os.environ.get("TOOLHIVE_ENGINE_SOCKET") or there.get("TOOLHIVE_ENGINE_SOCKET", "/var/run/docker.sock")
    )
    wanted = {
        "COMPOSE_PROJECT_NAME": "toolhive",
        "TOOLHIVE_API_PORT": "8080",
        "TOOLHIVE_PROXY_PORT": "8081",
        "TOOLHIVE_NATS_PORT": "4222",
        **{f"TOOLHIVE_NATS_{role}_PASSWORD": secrets.token_hex(24) for role in ROLES},
        **own_authorities(),
        **there,
        "DOCKER_GID": engine_group(socket.resolve()),
    }
    if wanted == there:
        return 0
    text = path.read_text() if there else "# Made by scripts/configure. Change what you like; `make up` applies it.\n"
    kept = [line for line in text.splitlines() if not line.startswith("DOCKER_GID=")]
    added = [f"{name}={value}" for name, value in wanted.items() if name not in there or name == "DOCKER_GID"]
    text = "\n".join([*kept, *added]) + "\n"
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
    print(f"  wrote {path.name}: {', '.join(sorted(wanted.keys() - there.keys())) or 'DOCKER_GID'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
