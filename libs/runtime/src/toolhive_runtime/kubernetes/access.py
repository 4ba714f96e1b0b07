"""A cluster, and who we are there: a pod's service account, or else a user's kubeconfig."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolhive_runtime.errors import NoClusterError

__all__ = ["Access", "open_access"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_NAMESPACE = "POD_NAMESPACE"
_DEFAULT = "default"
_TOKEN_AGE = 60.0
"""Seconds after which a service account's token is read anew: the cluster replaces it."""


@dataclass(frozen=True)
class Access:
    """A cluster, and who we are there."""

    server: str
    """URL of the cluster's API, without a slash at the end."""
    namespace: str
    """Where our own objects are."""
    headers: Callable[[], dict[str, str]]
    """Says who we are; may read a file."""
    tls: ssl.SSLContext | None
    """How the cluster's certificate is checked and ours is shown; ``None`` for plain HTTP."""


def open_access(environment: Mapping[str, str], account: Path = _ACCOUNT) -> Access:
    """Use the service account of the pod that we are in, or else the current context of a kubeconfig.

    The namespace is the service account's, ``POD_NAMESPACE``'s, the context's, or ``default``.

    Parameters
    ----------
    account
        Folder in which a cluster puts a pod's service account.

    Raises
    ------
    NoClusterError
        There is neither.
    """
    told = environment.get(_NAMESPACE, "")
    if environment.get(_HOST):
        return _in_a_pod(environment[_HOST], environment.get(_PORT, "443"), told, account)
    # Imported where it is needed: it brings the whole client library, whose memory a proxy in a pod saves.
    try:
        from toolhive_runtime.kubernetes.kubeconfig import from_kubeconfig  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NoClusterError("reading a kubeconfig needs the package `kubernetes`; install it") from error
    return from_kubeconfig(told or None, otherwise=_DEFAULT)


def _in_a_pod(host: str, port: str, told: str, account: Path) -> Access:
    token = _Token(account / "token")
    try:
        token.headers()
        tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
    except OSError as error:
        raise NoClusterError(f"the pod's service account cannot be read: {error}") from error
    try:
        namespace = (account / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        namespace = ""
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(server, namespace or told or _DEFAULT, token.headers, tls)


class _Token:
    """What a service account shows."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = ""
        self._read_at = 0.0

    def headers(self) -> dict[str, str]:
        """Give the header that carries it."""
        now = time.monotonic()
        if not self._text or now - self._read_at >= _TOKEN_AGE:
            self._text, self._read_at = self._file.read_text(encoding="utf-8").strip(), now
        return {"authorization": f"Bearer {self._text}"}
