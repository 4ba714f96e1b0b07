#!/usr/bin/env python3
"""Say which port of the stack another program holds, before compose does so less clearly.

Usage: scripts/check_ports.py NAME=PORT...        such as TOOLHIVE_API_PORT=8080
Environment: COMPOSE_PROJECT_NAME, whose own containers may hold them.
"""

import os
import socket
import subprocess
import sys

HIGHEST_PORT = 65535


def is_free(port: int) -> bool:
    """Whether a program may listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def containers_on(port: int) -> list[tuple[str, str]]:
    """Names of the containers that publish it, each with its compose project."""
    form = '{{.Names}} {{.Label "com.docker.compose.project"}}'
    command = ["docker", "ps", "--filter", f"publish={port}", "--format", form]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return [(name, project) for name, _, project in (line.partition(" ") for line in answer.stdout.splitlines())]


def main() -> int:
    """Check each."""
    own = os.environ.get("COMPOSE_PROJECT_NAME", "toolhive")
    status = 0
    for argument in sys.argv[1:]:
        variable, _, text = argument.partition("=")
        if not text.isdecimal() or not 0 < int(text) <= HIGHEST_PORT:
            print(
                f"error: {variable}={text} is no port; it must be a number from 1 to {HIGHEST_PORT}", file=sys.stderr
            )
            status = 1
            continue
        port = int(text)
        holders = containers_on(port)
        if is_free(port) or any(project == own for _, project in holders):
            continue
        who = f"the container {holders[0][0]}" if holders else "another program"
        print(
            f"error: port {port} is in use by {who}.\n"
            f"       Stop that, or choose another port: {variable}={port + 1000} make demo\n"
            f"       (or write {variable}={port + 1000} into .env, to keep it so).",
            file=sys.stderr,
        )
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
