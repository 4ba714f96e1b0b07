"""What a cluster says of a StatefulSet and its pods -> whether the server can be called, or why it cannot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolhive_runtime.decisions.stateful_set import SERVER_CONTAINER

__all__ = ["Ready", "Rollout", "Waiting", "rollout"]

_PULL = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_NO_TROUBLE = frozenset({"", "ContainerCreating", "PodInitializing"})
_Object = Mapping[str, Any]


@dataclass(frozen=True)
class Ready:
    """All pods are of the wanted revision, and ready."""

    pods: tuple[str, ...]
    """Their names, the first one first."""
    run: str
    """Names the processes: another text when one of them is another process."""


@dataclass(frozen=True)
class Waiting:
    """The server cannot be called."""

    reason: str
    """Completes the sentence "the workload cannot be called: …"; says what to do where waiting does not help."""


Rollout = Ready | Waiting


def rollout(found: _Object, pods: Sequence[_Object]) -> Rollout:
    """Decide whether a StatefulSet is rolled out.

    The number of ready pods alone would not do: while a change is rolled out it counts pods that are about to go.

    Parameters
    ----------
    found
        The StatefulSet as the cluster has it.
    pods
        Those that its selector finds.
    """
    metadata, status = found["metadata"], found.get("status") or {}
    name, wanted = str(metadata["name"]), int(found["spec"].get("replicas", 1))
    if wanted == 0:
        return Waiting(f"it is scaled to nothing; `kubectl scale statefulset {name} --replicas=1` brings it back")
    if int(status.get("observedGeneration", 0)) < int(metadata.get("generation", 0)):
        return Waiting("the cluster has not taken up its latest change yet")
    revision = str(status.get("updateRevision", ""))
    current = sorted((pod for pod in pods if _is_current(pod, revision)), key=_name)
    serving = [pod for pod in current if _is_ready(pod)]
    counted = (int(status.get("updatedReplicas", 0)), int(status.get("readyReplicas", 0)))
    if counted == (wanted, wanted) and len(serving) >= wanted:
        return Ready(tuple(map(_name, serving)), " ".join(map(_run, serving)))
    return Waiting(_why(name, current or sorted(pods, key=_name)))


def _why(name: str, pods: Sequence[_Object]) -> str:
    for pod in pods:
        if reason := next(_troubles(pod), ""):
            return reason
    if not pods:
        return f"it has no pod yet; if that lasts, `kubectl describe statefulset {name}` says why"
    return "its pod is starting"


def _troubles(pod: _Object) -> Iterator[str]:
    """Say what is wrong with a pod, the most telling first."""
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if trouble := _trouble(_name(pod), container):
            yield trouble
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"no node takes its pod: {condition.get('message') or condition.get('reason')}"
    if pod["metadata"].get("deletionTimestamp"):
        yield f"its pod {_name(pod)} is being ended"
    if status.get("phase") == "Failed":
        yield f"its pod {_name(pod)} failed: {status.get('message') or status.get('reason') or 'no reason was given'}"


def _trouble(pod: str, container: _Object) -> str:
    state = container.get("state") or {}
    waiting, name = state.get("waiting") or {}, str(container.get("name", ""))
    whose = "its image" if name == SERVER_CONTAINER else f"the image of its container {name!r}"
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", "")).strip()
    if reason in _PULL:
        detail = f"{reason}: {message}" if message else reason
        advice = "check its name and tag, and imagePullSecrets of the pod template where its registry is private"
        return f"{whose} {container.get('image', '')} cannot be pulled ({detail}); {advice}"
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if ended and (reason == "CrashLoopBackOff" or "terminated" in state):
        look = f"`kubectl logs {pod} -c {name} --previous` may say why"
        return f"its container {name!r} ended {_ending(ended)} and is started again; {look}"
    if reason not in _NO_TROUBLE:
        return f"its container {name!r} cannot be started ({reason}: {message or 'no reason was given'})"
    return ""


def _ending(ended: _Object) -> str:
    code, reason = ended.get("exitCode", "?"), str(ended.get("reason", ""))
    return f"with exit code {code}" + (f" ({reason})" if reason not in {"", "Error", "Completed"} else "")


def _is_current(pod: _Object, revision: str) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return not revision or labels.get("controller-revision-hash") == revision


def _is_ready(pod: _Object) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _name(pod: _Object) -> str:
    return str(pod["metadata"]["name"])


def _run(pod: _Object) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ids = [str(each.get("containerID", "")) for each in statuses if each.get("name") == SERVER_CONTAINER]
    return ids[0] if ids and ids[0] else str(pod["metadata"].get("uid", ""))
