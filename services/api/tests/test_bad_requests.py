import httpx
import pytest

from .support.harness import API, PlayedAgent

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
        (b'{"name":7,"image":"bb"}', JSON, "does not fit: name: "),
        (b'{"name":"aa","image":"bb","proxy_port":70000}', JSON, "proxy_port"),
        (b'{"name":"aa","image":"bb","env_vars":{"A":1}}', JSON, "env_vars.A"),
        (b'{"name":"aa","image":"bb","env_vars":{"A":"\\ud800"}}', JSON, "not valid Unicode"),
        (b'{"image":"bb"}', JSON, "invalid workload name"),
        (b'{"name":"aa"}', JSON, "image is missing"),
        (b'{"name":"aa","image":"bb","tools":["x"]}', JSON, "tools is not supported"),
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


async def test_a_name_that_no_workload_can_have_is_400(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{API}/a%00b")
    assert (answer.status_code, "invalid workload name" in answer.text) == (400, True)


async def test_an_unknown_path_or_method_is_told_in_plain_text(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1beta/nothing")).status_code == 404
    answer = await api.put(API)
    assert (answer.status_code, answer.headers["content-type"]) == (405, "text/plain; charset=utf-8")
