"""What the scripts of the tests' cluster ask of it: a small kubectl, which a fresh machine lacks.

Usage: objects.py answers | settle FILE NODE | empty
"""

import sys
import time
from collections.abc import Callable

from kubernetes import client, config, utils
from urllib3.exceptions import HTTPError

PATIENCE = 120
"""Seconds for anything to become so."""
PAUSE = 0.2


def until(holds: Callable[[], object]) -> None:
    """Ask again until the answer is true; a cluster that comes up refuses for a while."""
    end = time.monotonic() + PATIENCE
    problem: object = None
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (client.ApiException, HTTPError) as error:
            problem = error
        time.sleep(PAUSE)
    sys.exit(f"not within {PATIENCE} s: {' '.join(sys.argv[1:])} ({problem})")


def answers() -> bool:
    """Whether the API is up, and pods can be made in the default namespace."""
    api = client.ApiClient()
    api.rest_client.pool_manager.request("GET", f"{api.configuration.host}/readyz", retries=False)
    return bool(client.CoreV1Api().list_namespace().items)


def apply(file: str) -> None:
    """Make the objects of a file, which are the system's own, or make those that are there like them."""
    utils.create_from_yaml(client.ApiClient(), file, namespace="kube-system", apply=True)


def serves(node: str) -> bool:
    """Whether pods can run on the node, and names are known."""
    return node_ready(node) and deployment_ready("kube-system", "coredns")


def node_ready(name: str) -> bool:
    """Whether pods can run on a node."""
    conditions = client.CoreV1Api().read_node(name).status.conditions or []
    return any(each.type == "Ready" and each.status == "True" for each in conditions)


def deployment_ready(namespace: str, name: str) -> bool:
    """Whether a Deployment serves."""
    return bool(client.AppsV1Api().read_namespaced_deployment(name, namespace).status.ready_replicas)


def emptied() -> bool:
    """Whether no pod is left. Those that are there are told to go, and given a second."""
    api = client.CoreV1Api()
    pods = api.list_pod_for_all_namespaces().items
    for pod in pods:
        if pod.metadata.deletion_timestamp is None:
            api.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=1)
    return not pods


def main() -> None:
    """Do what the arguments say."""
    config.load_kube_config()
    match sys.argv[1:]:
        case ["answers"]:
            until(answers)
        case ["settle", file, node]:
            apply(file)
            until(lambda: serves(node))
        case ["empty"]:
            until(emptied)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
