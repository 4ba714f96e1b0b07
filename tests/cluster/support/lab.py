"""A Kubernetes cluster for the tests: the project's own, or one that ``TOOLHIVE_TEST_KUBECONFIG`` names."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernetes.client import ApiClient, Configuration, CoreV1Api
from kubernetes.config import load_kube_config

from ...integration.support.stack import ROOT

__all__ = ["Kube", "a_cluster"]

_LAB = ROOT / "tests/cluster/lab"
_STATE = ROOT / ".cache/cluster"
_CONTAINERD = ("ctr", "--address", str(_STATE / "run/containerd.sock"), "--namespace", "k8s.io")


@dataclass(frozen=True)
class Kube:
    """A cluster that runs."""

    client: ApiClient
    own: bool
    """Whether it is the project's own, on this machine."""

    def node_address(self) -> str:
        """Where ports of nodes are reached."""
        addresses = CoreV1Api(self.client).list_node().items[0].status.addresses
        return str(next(each.address for each in addresses if each.type == "InternalIP"))

    def load(self, image: str) -> None:
        """Have an image of the engine in the cluster. A user's cluster has to have it already."""
        if not self.own:
            return
        listed = subprocess.run([*_CONTAINERD, "images", "ls", "-q"], capture_output=True, text=True, check=True)
        if any(line.endswith(f"/{image}") for line in listed.stdout.splitlines()):
            return
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                [*_CONTAINERD, "images", "import", "-"], stdin=saving.stdout, stdout=subprocess.DEVNULL, check=True
            )


@contextmanager
def a_cluster() -> Iterator[Kube]:
    """Have a cluster for the length of the block; one that ran before runs on after it."""
    if given := os.environ.get("TOOLHIVE_TEST_KUBECONFIG"):
        yield Kube(_client(given), own=False)
        return
    ran = _runs()
    try:
        yield Kube(_client(_script("up").strip()), own=True)
    finally:
        if not ran:
            _script("down")


def _runs() -> bool:
    try:
        pid = (_STATE / "run/kubelet.pid").read_text().strip()
        return str(_STATE) in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def _script(name: str) -> str:
    done = subprocess.run([str(_LAB / name)], capture_output=True, text=True, check=False, timeout=600)
    assert not done.returncode, f"tests/cluster/lab/{name}:\n{done.stderr}"
    return done.stdout


def _client(kubeconfig: str) -> ApiClient:
    configuration = Configuration()
    load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    return ApiClient(configuration)
