from pathlib import Path

import httpx
import pytest

from toolhive_common.testing.nats_server import NatsServer

from .support.harness import API, PlayedAgent, running_api

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "sentence"),
    [
        (b"{nope", JSON, "the request body is not JSON"),
        (b"", JSON, "the request has no body"),
        (b"[]", JSON, "the request body is not a JSON object"),
        (b"[" * 100_000, JSON, ""),
        (b"\xff", JSON, ""),
        (b'{"name":"aa","image":"bb"}', {"Content-Type": "text/plain"}, "Content-Type: application/json"),
        (b'{"name":7,"image":"bb"}', JSON, "does not fit: name has to be a text"),
        (b'{"name":"aa","image":"bb","proxy_port":70000}', JSON, "proxy_port"),
        (b'{"name":"aa","image":"bb","env_vars":{"A":1}}', JSON, "env_vars.A"),
        (b'{"name":"aa","image":"bb","env_vars":{"A":"\\ud800"}}', JSON, "not valid Unicode"),
        (b'{"name":"aa","image":"bb","tools":"x"}', JSON, "tools has to be a list"),
        (b'{"name":"aa","image":"bb","tool_filter":["x"]}', JSON, "'tool_filter' is no key that is known here"),
        (b'{"name":"aa","image":"bb","tool_filter":["x"]}', JSON, "did you mean tools?"),
        (b'{"name":"aa","image":"bb","middleware_config":[]}', JSON, "did you mean middleware_configs?"),
        (b'{"name":"aa","image":"bb","oidc":{"issuer":"https://i","audiance":"x"}}', JSON, "did you mean audience?"),
        (b'{"name":"aa","image":"bb","oidc":"x"}', JSON, "oidc has to be an object"),
        (b'{"image":"bb"}', JSON, "invalid workload name"),
        (b'{"name":"aa"}', JSON, "image is missing"),
        (b'{"name":"aa","image":"bb","authz_config":"x"}', JSON, "authz_config is not supported"),
    ],
)
async def test_a_bad_request_is_400_with_a_plain_sentence(
    api: httpx.AsyncClient, agent: PlayedAgent, body: bytes, headers: dict[str, str], sentence: str
) -> None:
    answer = await api.post(API, content=body, headers=headers)
    assert (answer.status_code, sentence in answer.text) == (400, True), answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert "Traceback" not in answer.text


async def test_a_request_over_a_megabyte_is_413(api: httpx.AsyncClient) -> None:
    answer = await api.post(API, content=b" " * (1024 * 1024 + 1), headers=JSON)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (413, "nosniff")


async def test_a_page_of_another_site_is_refused(api: httpx.AsyncClient) -> None:
    for origin, status in [
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost:5173", 200),
        (str(api.base_url), 200),
    ]:
        assert (await api.get(API, headers={"Origin": origin})).status_code == status, origin


async def test_a_page_that_made_its_own_name_stand_for_this_machine_is_refused(api: httpx.AsyncClient) -> None:
    """DNS rebinding: Host and Origin agree with each other, and a GET has no Origin at all."""
    for headers in ({"Host": "evil.example:8080"}, {"Host": "evil.example", "Origin": "http://evil.example"}):
        for path in (API, "/api/v1beta/events", "/api/openapi.json", "/health"):
            answer = await api.get(path, headers=headers)
            assert (answer.status_code, "TOOLHIVE_ALLOWED_HOSTS" in answer.text) == (421, True), path
        refused = await api.post(API, json={"name": "aa", "image": "bb"}, headers=headers)
        assert refused.status_code == 421
    for path in ("/healthz", "/readyz"):
        assert (await api.get(path, headers={"Host": "10.0.0.7:8080"})).status_code == 200


async def test_the_api_answers_to_names_of_the_settings_too(tmp_path: Path, nats: NatsServer) -> None:
    async with running_api(tmp_path, nats, allowed_hosts="api, box.example") as api:
        for host, status in [("api:8080", 200), ("box.example", 200), ("localhost:1", 200), ("other", 421)]:
            assert (await api.get(API, headers={"Host": host})).status_code == status, host
        assert (await api.get(API, headers={"Origin": "https://box.example"})).status_code == 200


async def test_a_name_that_no_workload_can_have_is_400(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{API}/a%00b")
    assert (answer.status_code, "invalid workload name" in answer.text) == (400, True)


async def test_an_unknown_path_or_method_is_told_in_plain_text(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1beta/nothing")).status_code == 404
    answer = await api.put(API)
    assert (answer.status_code, answer.headers["content-type"]) == (405, "text/plain; charset=utf-8")
