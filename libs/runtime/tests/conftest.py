"""A real engine for the tests marked ``engine``: each test has a label of its own, and leaves nothing behind."""

import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import docker
import pytest

from toolhive_runtime.docker import DockerRuntime, detect_runtime
from toolhive_runtime.runtime import ContainerSpec, NetworkSpec

BASE_IMAGE = os.environ.get("TOOLHIVE_TEST_BASE_IMAGE", "toolhive-base:bookworm")
"""Debian with Python; the package clients are installed while building."""


@dataclass(frozen=True)
class Engine:
    """A real engine, and what belongs to the test."""

    runtime: DockerRuntime
    client: docker.APIClient
    mark: str
    """Value of the label ``toolhive-test``, and the beginning of all names."""

    @property
    def labels(self) -> dict[str, str]:
        return {"toolhive-test": self.mark}

    def spec(self, *command: str, **changes: Any) -> ContainerSpec:
        spec = ContainerSpec(
            name=f"{self.mark}-server",
            image=BASE_IMAGE,
            command=command or ("sleep", "600"),  # what runs is the image's own server when changes say so
            environment={},
            labels=self.labels,
            mounts=(),
            network=NetworkSpec(f"{self.mark}-internal", internal=True),
            ports=(),
            stdin_open=True,
            privileged=False,
            restart_policy="no",
        )
        return replace(spec, **changes)

    def networks(self) -> list[str]:
        return [network["Name"] for network in self.client.networks() if network["Name"].startswith(self.mark)]

    def containers(self) -> list[str]:
        filters = {"label": f"toolhive-test={self.mark}"}
        return [container["Id"] for container in self.client.containers(all=True, filters=filters)]


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    runtime = await detect_runtime(os.environ)
    client = docker.APIClient(base_url=f"unix://{runtime.socket}", version="auto")
    engine = Engine(runtime, client, f"thrt-{uuid.uuid4().hex[:8]}")
    yield engine
    for container in engine.containers():
        client.remove_container(container, force=True, v=True)
    for network in engine.networks():
        client.remove_network(network)
    await runtime.close()
    client.close()
