"""What a server's pod may do, where its user does not say otherwise."""

from collections.abc import Mapping
from typing import Any

__all__ = ["secure"]

_USER = 1000
_IDS = {"runAsUser": _USER, "runAsGroup": _USER}
_CONTAINER = {
    "privileged": False,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def secure(
    pod: Mapping[str, Any] | None, container: Mapping[str, Any] | None, *, openshift: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fill in what the security contexts of a pod and of its server's container leave open.

    The container gets the ids that its pod has: with others of its own it would ignore what the user set for the pod.

    Parameters
    ----------
    openshift
        Whether the cluster gives each namespace ids of its own, and refuses all others.
    """
    ids = {} if openshift else {"runAsNonRoot": True, **_IDS, "fsGroup": _USER}
    whole = {**({"runAsNonRoot": True} if openshift else ids), **(pod or {})}
    shared = {key: whole[key] for key in ("runAsNonRoot", *_IDS) if key in whole}
    return whole, {**shared, **_CONTAINER, **(container or {})}
