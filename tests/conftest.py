"""One Kubernetes cluster for all tests that need one, and a namespace of their own in it."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from kubernetes.client import CoreV1Api

from .cluster.support.lab import Kube, a_cluster
from .cluster.support.scene import Scene
from .integration.support.stack import ROOT


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """A cluster that has the proxy's image and the one of a server."""
    with a_cluster() as cluster:
        cluster.load(_proxy_image())
        cluster.load((ROOT / ".cache/everything-image").read_text().strip())
        yield cluster


@pytest.fixture(scope="session")
def namespace(kube: Kube) -> Iterator[str]:
    """A namespace that nobody else uses."""
    name, core = f"toolhive-test-{uuid.uuid4().hex[:8]}", CoreV1Api(kube.client)
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


@pytest.fixture
async def scene(kube: Kube, namespace: str) -> AsyncIterator[Scene]:
    """The namespace; after the test nothing of its workloads is left."""
    made = Scene(kube, namespace, _proxy_image())
    yield made
    for name in made.made:
        await made.end(name)


def _proxy_image() -> str:
    lines = (ROOT / ".cache/images.env").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return found["TOOLHIVE_PROXY_IMAGE"]
