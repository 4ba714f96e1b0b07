import shutil
from pathlib import Path

import certifi
import pytest

from toolhive_runtime.errors import NoClusterError
from toolhive_runtime.kubernetes import open_access

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: mine
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: mine, context: {cluster: c, user: u, namespace: tools}}]
"""


def an_account(folder: Path) -> Path:
    (folder / "token").write_text("first\n")
    (folder / "namespace").write_text("mcp\n")
    shutil.copy(certifi.where(), folder / "ca.crt")
    return folder


def test_a_pod_is_who_its_service_account_says(tmp_path: Path) -> None:
    access = open_access({**POD, "POD_NAMESPACE": "other"}, an_account(tmp_path))
    assert (access.server, access.namespace) == ("https://10.0.0.1:443", "mcp")
    assert access.headers() == {"authorization": "Bearer first"}
    assert access.tls is not None


def test_an_address_of_the_sixth_version_is_written_as_urls_want_it(tmp_path: Path) -> None:
    assert open_access({**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, an_account(tmp_path)).server == (
        "https://[fd00::1]:443"
    )


def test_a_pod_without_a_service_account_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoClusterError, match="service account token is mounted"):
        open_access(POD, tmp_path)


def test_elsewhere_a_kubeconfig_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    access = open_access({})
    assert (access.server, access.namespace) == ("http://127.0.0.1:1", "tools")
    assert access.headers() == {"authorization": "Bearer secret"}
    assert open_access({"POD_NAMESPACE": "other"}).namespace == "other"


def test_a_machine_without_any_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "no"))
    with pytest.raises(NoClusterError, match="set KUBECONFIG"):
        open_access({})
