"""The Docker API, spoken by Docker, Podman, Colima, Rancher Desktop and OrbStack.

``engine`` implements `Runtime`, ``detection`` finds a socket to use it on. Short calls go through the ``docker``
library in threads; streams (attach, events, pulls, builds) run on asyncio over the socket itself, so that many cost
no thread and ending one ends its work in the engine.
"""

from toolhive_runtime.docker.detection import detect_runtime
from toolhive_runtime.docker.engine import DockerRuntime

__all__ = ["DockerRuntime", "detect_runtime"]
