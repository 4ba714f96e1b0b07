from typing import Any

import pytest

from toolhive_runtime.decisions.rollout import Ready, Waiting, rollout

REVISION = "time-7d4"


def a_set(*, wanted: int = 1, updated: int = 1, ready: int = 1, generation: int = 3, observed: int = 3) -> Any:
    return {
        "metadata": {"name": "time", "generation": generation},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": observed,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "updateRevision": REVISION,
        },
    }


def a_pod(
    number: int = 0,
    *,
    ready: bool = True,
    revision: str = REVISION,
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    container: str = "mcp",
    **changes: Any,
) -> Any:
    status = {
        "name": container,
        "image": "time:1",
        "containerID": f"containerd://{number}",
        "state": state or {"running": {}},
        "lastState": last or {},
    }
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": f"time-{number}", "labels": {"controller-revision-hash": revision}, **changes},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [status]},
    }


def test_a_set_whose_pods_are_all_there_is_ready() -> None:
    found = rollout(a_set(wanted=2, updated=2, ready=2), [a_pod(1), a_pod(0)])
    assert found == Ready(("time-0", "time-1"), "containerd://0 containerd://1")


def test_another_process_is_another_run() -> None:
    before, after = a_pod(), a_pod()
    after["status"]["containerStatuses"][0]["containerID"] = "containerd://new"
    assert rollout(a_set(), [before]) != rollout(a_set(), [after])


@pytest.mark.parametrize(
    ("found", "pods", "reason"),
    [
        pytest.param(a_set(wanted=0, updated=0, ready=0), [], "scaled to nothing; `kubectl scale", id="scaled-away"),
        pytest.param(a_set(observed=2), [a_pod()], "not taken up", id="change-not-seen"),
        pytest.param(a_set(updated=0), [a_pod(revision="time-old")], "its pod is starting", id="old-pod-still-ready"),
        pytest.param(a_set(updated=0), [a_pod()], "its pod is starting", id="not-counted-yet"),
        pytest.param(a_set(ready=0), [], "has no pod yet; if that lasts, `kubectl describe", id="no-pod"),
        pytest.param(a_set(), [a_pod(deletionTimestamp="2026-01-01T00:00:00Z")], "is being ended", id="pod-goes"),
        pytest.param(
            a_set(ready=0),
            [a_pod(ready=False, state={"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}})],
            "its image time:1 cannot be pulled (ImagePullBackOff: no such host); check its name and tag",
            id="image",
        ),
        pytest.param(
            a_set(ready=0),
            [a_pod(ready=False, container="side", state={"waiting": {"reason": "ErrImageNeverPull"}})],
            "the image of its container 'side' time:1 cannot be pulled (ErrImageNeverPull)",
            id="image-of-a-sidecar",
        ),
        pytest.param(
            a_set(ready=0),
            [
                a_pod(
                    ready=False,
                    state={"waiting": {"reason": "CrashLoopBackOff"}},
                    last={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                )
            ],
            "ended with exit code 137 (OOMKilled) and is started again; `kubectl logs time-0 -c mcp --previous`",
            id="out-of-memory",
        ),
        pytest.param(
            a_set(ready=0),
            [a_pod(ready=False, state={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}})],
            "cannot be started (CreateContainerConfigError: no secret)",
            id="secret",
        ),
        pytest.param(
            a_set(ready=0),
            [a_pod(ready=False, state={"waiting": {"reason": "ContainerCreating"}})],
            "its pod is starting",
            id="being-made",
        ),
    ],
)
def test_what_is_waited_for_is_told(found: Any, pods: list[Any], reason: str) -> None:
    outcome = rollout(found, pods)
    assert isinstance(outcome, Waiting)
    assert reason in outcome.reason


def test_a_pod_that_no_node_takes_says_why() -> None:
    pod = a_pod(ready=False)
    pod["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: insufficient memory"}],
    }
    assert rollout(a_set(ready=0), [pod]) == Waiting("no node takes its pod: 0/1 nodes: insufficient memory")


def test_a_restarted_process_that_runs_is_no_trouble() -> None:
    last = {"terminated": {"exitCode": 1}}
    assert isinstance(rollout(a_set(), [a_pod(last=last)]), Ready)
