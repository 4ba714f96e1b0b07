from typing import Any

import pytest

from toolhive_common.schemas.permissions import PermissionProfile
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.testing.factories import a_run_config
from toolhive_runtime.decisions.pod_patch import parse_pod_patch
from toolhive_runtime.decisions.server_services import server_services
from toolhive_runtime.decisions.stateful_set import further_stateful_set, generation_of, is_outdated, stateful_set
from toolhive_runtime.errors import InvalidPodPatchError

GENERATION = "toolhive.stacklok.dev/mcpserver-generation"
LIVE = {"metadata": {"name": "time", "uid": "1-2-3"}}


def a_config(transport: Transport = Transport.STDIO, **changes: Any) -> RunConfig:
    port = 0 if transport is Transport.STDIO else 8000
    return a_run_config("time", transport=transport, image="time:1", port=8080, target_port=port, **changes)


def the_container(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_stdio_server_in_full() -> None:
    made = stateful_set(a_config(cmd_args=("--utc",), env_vars={"B": "2", "A": "1"}, mcpserver_generation=4), {})
    labels = {
        "app": "time",
        "toolhive": "true",
        "toolhive-name": "time",
        "toolhive-basename": "time",
        "toolhive-transport": "stdio",
        "toolhive-port": "8080",
    }
    assert made == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "time", "labels": labels, "annotations": {GENERATION: "4"}},
        "spec": {
            "selector": {"matchLabels": {"app": "time"}},
            "serviceName": "time",
            "template": {
                "metadata": {"labels": labels, "annotations": {GENERATION: "4"}},
                "spec": {
                    "restartPolicy": "Always",
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 1000,
                        "runAsGroup": 1000,
                        "fsGroup": 1000,
                    },
                    "containers": [
                        {
                            "name": "mcp",
                            "image": "time:1",
                            "args": ["--utc"],
                            "stdin": True,
                            "tty": False,
                            "env": [
                                {"name": "A", "value": "1"},
                                {"name": "B", "value": "2"},
                                {"name": "MCP_TRANSPORT", "value": "stdio"},
                            ],
                            "securityContext": {
                                "runAsNonRoot": True,
                                "runAsUser": 1000,
                                "runAsGroup": 1000,
                                "privileged": False,
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                        }
                    ],
                },
            },
        },
    }


def test_the_same_wish_makes_the_same_object() -> None:
    patch = {"spec": {"containers": [{"name": "mcp", "env": [{"name": "X", "value": "1"}]}]}}
    assert stateful_set(a_config(), patch) == stateful_set(a_config(), patch)
    assert patch == {"spec": {"containers": [{"name": "mcp", "env": [{"name": "X", "value": "1"}]}]}}


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.STREAMABLE_HTTP])
def test_an_http_server_is_told_where_to_listen(transport: Transport) -> None:
    made = the_container(stateful_set(a_config(transport, target_host="127.0.0.1"), {}))
    assert made["stdin"] is False
    assert {each["name"]: each["value"] for each in made["env"]} == {
        "MCP_TRANSPORT": transport.value,
        "MCP_PORT": "8000",
        "FASTMCP_PORT": "8000",
        "MCP_HOST": "0.0.0.0",  # noqa: S104  # what it says, and binds nothing
    }
    assert made.get("ports") == ([{"containerPort": 8000, "protocol": "TCP"}] if transport is Transport.SSE else None)


def test_a_name_stands_once_in_the_environment_and_the_run_config_wins() -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    patch = {"spec": {"containers": [{"name": "mcp", "env": [secret, {"name": "A", "value": "patch"}]}]}}
    made = the_container(stateful_set(a_config(env_vars={"A": "config"}), patch))
    assert made["env"] == [secret, {"name": "A", "value": "config"}, {"name": "MCP_TRANSPORT", "value": "stdio"}]


def test_the_pod_template_is_the_base_and_keeps_what_is_its_own() -> None:
    patch = {
        "metadata": {"labels": {"team": "a", "app": "other"}, "annotations": {"scrape": "yes"}},
        "spec": {
            "serviceAccountName": "time-sa",
            "securityContext": {"runAsUser": 65534},
            "containers": [
                {"name": "sidecar", "image": "s:1"},
                {"name": "mcp", "image": "ignored:1", "securityContext": {"readOnlyRootFilesystem": False}},
            ],
        },
    }
    template = stateful_set(a_config(), patch)["spec"]["template"]
    assert template["metadata"]["annotations"] == {"scrape": "yes"}
    assert {"team": "a", "app": "time"}.items() <= template["metadata"]["labels"].items()
    assert template["spec"]["serviceAccountName"] == "time-sa"
    sidecar, server = template["spec"]["containers"]
    assert sidecar == {"name": "sidecar", "image": "s:1"}
    assert server["image"] == "time:1"
    assert (server["securityContext"]["runAsUser"], server["securityContext"]["runAsGroup"]) == (65534, 1000)
    assert server["securityContext"]["readOnlyRootFilesystem"] is False


def test_openshift_chooses_the_ids_itself() -> None:
    pod = stateful_set(a_config(), {}, openshift=True)["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True}
    assert "runAsUser" not in pod["containers"][0]["securityContext"]


def test_replicas_are_left_to_others_unless_the_run_config_says_a_number() -> None:
    assert "replicas" not in stateful_set(a_config(), {})["spec"]
    scaled = a_config(Transport.STREAMABLE_HTTP, scaling_config={"backend_replicas": 3})
    assert stateful_set(scaled, {})["spec"]["replicas"] == 3


def test_volumes_are_mounted_where_the_server_is() -> None:
    config = a_config(volumes=("/srv/data:/data:ro",), permission_profile=PermissionProfile())
    pod = stateful_set(config, {})["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "toolhive-volume-0", "hostPath": {"path": "/srv/data"}}]
    assert pod["containers"][0]["volumeMounts"] == [
        {"name": "toolhive-volume-0", "mountPath": "/data", "readOnly": True}
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("{", "no JSON", id="no-json"),
        pytest.param("[]", "no object", id="list"),
        pytest.param('{"spec": 3}', "'spec' is no object", id="spec"),
        pytest.param('{"spec": {"containers": {"mcp": 1}}}', "no list of objects", id="containers"),
    ],
)
def test_a_pod_template_that_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidPodPatchError, match=problem):
        parse_pod_patch(text)


def test_an_empty_pod_template_is_one() -> None:
    assert parse_pod_patch(" ") == {}


@pytest.mark.parametrize(
    ("mine", "there", "outdated"),
    [
        pytest.param(3, 4, True, id="later-is-there"),
        pytest.param(4, 4, False, id="same"),
        pytest.param(5, 4, False, id="earlier-is-there"),
        pytest.param(0, 4, False, id="mine-says-nothing"),
        pytest.param(3, 0, False, id="there-says-nothing"),
    ],
)
def test_only_a_later_declaration_stays(mine: int, there: int, outdated: bool) -> None:
    wanted = stateful_set(a_config(mcpserver_generation=mine), {})
    found = stateful_set(a_config(mcpserver_generation=there), {})
    assert is_outdated(wanted, found) is outdated
    assert not is_outdated(wanted, None)


def test_a_generation_that_is_no_number_counts_as_none() -> None:
    assert generation_of({"metadata": {"annotations": {GENERATION: "-3"}}, "spec": {}}) == 0


def test_a_further_process_goes_with_the_first_one_and_is_found_by_a_name_of_its_own() -> None:
    first = stateful_set(a_config(), {})
    made = further_stateful_set(first, "modern", LIVE)
    assert made["metadata"]["name"] == "time-modern"
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "time", "uid": "1-2-3"}
    ]
    assert made["spec"]["selector"] == {"matchLabels": {"app": "time-modern"}}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert {"app": "time-modern", "toolhive-workload": "time", "toolhive-slot": "modern"}.items() <= labels.items()
    assert made["spec"]["replicas"] == 1
    assert first == stateful_set(a_config(), {})


def test_a_stdio_server_has_no_services() -> None:
    assert server_services(a_config(), LIVE) == []


def test_an_http_server_has_a_name_of_each_kind() -> None:
    headless, sticky = server_services(a_config(Transport.SSE), LIVE)
    assert headless["metadata"]["name"] == "mcp-time-headless"
    assert headless["spec"]["clusterIP"] == "None"
    assert sticky["metadata"]["name"] == "mcp-time"
    assert sticky["spec"] == {
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1800}},
        "selector": {"app": "time"},
        "ports": [{"name": "port-8000", "port": 8000, "targetPort": 8000, "protocol": "TCP"}],
    }
    assert sticky["metadata"]["ownerReferences"][0]["uid"] == "1-2-3"
