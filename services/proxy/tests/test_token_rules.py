"""What a token must say, how a refusal is worded, and when the provider is asked."""

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.schemas.oidc import OidcConfig
from toolhive_proxy.adapters.jwt_tokens import read_head, read_keys
from toolhive_proxy.decisions.challenges import Challenger, metadata_answer, metadata_path_of
from toolhive_proxy.decisions.token_rules import bearer_token, fitting_key, judge_claims, judge_head, refuse_query
from toolhive_proxy.errors import ProviderError
from toolhive_proxy.models.tokens import Expectation, RefusalKind, Refused, TokenHead, VerificationKey, Verified
from toolhive_proxy.protocol.provider_urls import discovery_urls, is_public, parse_provider_url
from toolhive_proxy.services.key_store import KeyStore, KeyTimes

CHALLENGER = Challenger("https://issuer.example.com", "http://127.0.0.1:8081/time/mcp", ("openid", "mcp"))
PART = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def key(key_id: str = "", kind: str = "RSA", **facts: Any) -> VerificationKey:
    values = {"curve": "", "algorithm": "", "use": "", "operations": frozenset[str](), "handle": None} | facts
    return VerificationKey(key_id, kind, **values)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "authorization header required"),
        ("Basic eA==", "expected 'Bearer <token>'"),
        ("Bearer", "empty token"),
        ("Bearer  ", "empty token"),
        ("Bearer a b", "expected"),
        ("Bearer a, Bearer b", "expected"),
        ("Bearer ä", "expected"),
        ("Bearer " + "a" * 20_000, "expected"),
    ],
)
def test_what_is_no_bearer_token_is_a_wrong_request(header: str, problem: str) -> None:
    found = bearer_token(header)
    assert isinstance(found, Refused)
    assert found.kind is RefusalKind.INVALID_REQUEST
    assert problem in found.description


def test_a_bearer_token_is_taken_whatever_the_case_of_its_scheme() -> None:
    assert bearer_token("Bearer a.b-c_~+/=") == bearer_token("bearer  a.b-c_~+/=") == "a.b-c_~+/="


@pytest.mark.parametrize("query", ["access_token=x", "a=b&access_token=", "access%5Ftoken=x", "access_token"])
def test_a_token_in_the_query_is_refused(query: str) -> None:
    assert refuse_query(query) is not None


def test_other_queries_pass() -> None:
    assert refuse_query("") is refuse_query("session_id=access_token&x=access_token%3D") is None


@given(st.text(max_size=80), st.text(max_size=60), st.lists(st.text(max_size=10), max_size=3))
def test_a_challenge_is_well_formed_whatever_it_holds(description: str, issuer: str, scopes: list[str]) -> None:
    challenger = Challenger(issuer, "https://mcp.example.com/mcp", tuple(scopes))
    answer = challenger.refuse(Refused(RefusalKind.INVALID_TOKEN, description))
    challenge = dict(answer.headers)[b"www-authenticate"].decode("ascii")
    assert challenge.isprintable()
    scheme, _, rest = challenge.partition(" ")
    assert scheme == "Bearer"
    found = PART.findall(rest)
    assert ", ".join(f'{name}="{value}"' for name, value in found) == rest
    assert dict(found)["error"] == "invalid_token"
    assert "\\" not in dict(found)["error_description"]
    said = re.sub(r"\\(.)", r"\1", dict(found).get("realm", ""))
    assert said == re.sub(r"[^\x20-\x7e]", "?", issuer)
    assert json.loads(answer.body) == {"error": "invalid_token", "error_description": description}


def test_a_missing_token_is_answered_as_toolhive_does() -> None:
    refused = bearer_token("")
    assert isinstance(refused, Refused)
    answer = CHALLENGER.refuse(refused)
    assert answer.status == 401
    assert dict(answer.headers)[b"www-authenticate"] == (
        b'Bearer realm="https://issuer.example.com", '
        b'resource_metadata="http://127.0.0.1:8081/.well-known/oauth-protected-resource/time/mcp", '
        b'scope="openid mcp", error="invalid_request", error_description="authorization header required"'
    )
    assert dict(answer.headers)[b"content-type"] == b"application/json"


def test_metadata_says_where_tokens_come_from_and_to_any_page() -> None:
    oidc = OidcConfig(issuer="https://issuer.example.com")
    answer = metadata_answer("GET", oidc, "http://127.0.0.1:8081/time/mcp")
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "resource": "http://127.0.0.1:8081/time/mcp",
        "authorization_servers": ["https://issuer.example.com"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["openid"],
    }
    assert (b"access-control-allow-origin", b"*") in answer.headers
    preflight = metadata_answer("OPTIONS", oidc, "")
    assert (preflight.status, dict(preflight.headers)[b"access-control-allow-methods"]) == (204, b"GET, OPTIONS")
    assert metadata_answer("POST", oidc, "").status == 405
    assert metadata_answer("GET", None, "").body == b'{"error":"not_found"}'


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/.well-known/oauth-protected-resource", ""),
        ("/.well-known/oauth-protected-resource/", ""),
        ("/.well-known/oauth-protected-resource/time/mcp", "/time/mcp"),
        ("/time/.well-known/oauth-protected-resource", "/time"),
        ("/.well-known/oauth-protected-resourceful", None),
        ("/.well-known/oauth-authorization-server", None),
        ("/time/.well-known/oauth-protected-resource/mcp", None),
        ("/time/mcp", None),
    ],
)
def test_metadata_is_at_the_well_known_address_of_its_endpoint(path: str, endpoint: str | None) -> None:
    assert metadata_path_of(path) == endpoint


@pytest.mark.parametrize(
    ("keys", "key_id", "found"),
    [
        ([key("a"), key("b")], "b", "b"),
        ([key("a"), key("b")], "", None),
        ([key("a")], "", "a"),
        ([key("a", use="enc"), key("b", use="sig")], "", "b"),
        ([key("a", operations=frozenset({"encrypt"}))], "a", None),
        ([key("a", algorithm="PS256")], "a", None),
        ([key("a", kind="EC", curve="P-256")], "a", None),
        ([key("a"), key("a", algorithm="RS512")], "a", "a"),
        ([key("a"), key("a")], "a", None),
    ],
)
def test_only_a_key_that_is_meant_for_it_checks_a_token(
    keys: list[VerificationKey], key_id: str, found: str | None
) -> None:
    chosen = fitting_key(keys, TokenHead("RS256", key_id, "", critical=False))
    assert (chosen.key_id if chosen else None) == found


CLAIMS = st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "scope", "scp"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-10, 2000),
        st.floats(),
        st.sampled_from(["i", "a", "s", "", "1000"]),
        st.lists(st.sampled_from(["a", "s", 1]), max_size=2),
    ),
)


@given(CLAIMS, st.integers(0, 2000))
def test_whatever_passes_says_everything_that_is_expected(claims: dict[str, Any], now: int) -> None:
    verdict = judge_claims(claims, Expectation("i", "a", frozenset({"s"})), now)
    if isinstance(verdict, Verified):
        assert claims["iss"] == "i"
        assert claims["aud"] == "a" or "a" in claims["aud"]
        assert isinstance(claims["sub"], str)
        assert verdict.identity.subject == claims["sub"] != ""
        assert now < claims["exp"] + 30
        assert claims.get("nbf", 0) <= now + 30
        assert verdict.until == claims["exp"] + 30


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"exp": 20}, "expired"),
        ({"exp": None}, "(exp)"),
        ({"exp": True}, "(exp)"),
        ({"nbf": 81}, "not valid yet"),
        ({"iat": 81}, "in the future"),
        ({"iss": "x"}, "(iss)"),
        ({"iss": ["i"]}, "(iss)"),
        ({"aud": "x"}, "(aud)"),
        ({"aud": None}, "(aud)"),
        ({"aud": {"a": 1}}, "(aud)"),
        ({"sub": " "}, "(sub)"),
        ({"sub": 1}, "(sub)"),
        ({"scope": "t"}, "lacks the scope s"),
    ],
)
def test_each_thing_that_is_expected_is_looked_at(change: dict[str, Any], problem: str) -> None:
    claims = {"iss": "i", "aud": "a", "sub": "ada", "exp": 100, "scope": "s"} | change
    verdict = judge_claims(claims, Expectation("i", "a", frozenset({"s"})), 50)
    assert isinstance(verdict, Refused)
    assert problem in verdict.description


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        *(
            (TokenHead(name, "a", "", critical=False), "algorithm")
            for name in ("none", "HS256", "ES256K", "", "rs256")
        ),
        (TokenHead("RS256", "a", "", critical=True), "extensions"),
        (TokenHead("RS256", "a", "dpop+jwt", critical=False), "access token"),
    ],
)
def test_a_header_that_asks_for_something_else_is_refused(head: TokenHead, problem: str) -> None:
    refused = judge_head(head)
    assert refused is not None
    assert problem in refused.description


@pytest.mark.parametrize("kind", ["", "jwt", "at+jwt", "application/at+jwt"])
def test_a_header_of_an_access_token_passes(kind: str) -> None:
    assert judge_head(TokenHead("RS256", "", kind, critical=False)) is None


def test_all_that_is_expected_is_enough() -> None:
    claims = {"iss": "i", "aud": ["x", "a"], "sub": "ada", "exp": 100, "scp": ["s", "t"], "iat": 1, "nbf": 1}
    assert isinstance(judge_claims(claims, Expectation("i", "a", frozenset({"s"})), 50), Verified)
    assert isinstance(judge_claims(claims, Expectation("i", "a", frozenset({"z"})), 50), Refused)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_header_or_none(text: str) -> None:
    for token in (text, f"{text}.e30.x", f"eyJhbGciOiJSUzI1NiJ9.{text}.x"):
        head = read_head(token)
        assert head is None or isinstance(head.algorithm, str)


def test_keys_that_are_no_use_are_passed_over() -> None:
    shared = {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "x"}
    short = {"kty": "RSA", "n": "w" * 128, "e": "AQAB"}
    odd: list[Any] = [shared, short, None, 3, {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]
    assert read_keys({"keys": odd}) == read_keys({"keys": "x"}) == read_keys({}) == ()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "0.0.0.0",  # noqa: S104
     "224.0.0.1", "100.64.0.1", "x"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07::1")


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://", "https://a@x/", "https://x/ y", "https://x/\r\n", "http://x/"]
)
def test_a_providers_url_that_must_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="it "):
        parse_provider_url(url, allow_http=False)


def test_metadata_of_an_issuer_with_a_path_may_be_in_three_places() -> None:
    assert discovery_urls("https://x/a/") == (
        "https://x/a/.well-known/openid-configuration",
        "https://x/.well-known/oauth-authorization-server/a",
        "https://x/.well-known/openid-configuration/a",
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_those_who_come_while_keys_are_asked_for_wait_for_the_same_answer() -> None:
    asked = 0
    answer = asyncio.Event()

    async def fetch() -> tuple[VerificationKey, ...]:
        nonlocal asked
        asked += 1
        await answer.wait()
        return (key("a"),)

    store = KeyStore(fetch, Clock())
    waiting = [asyncio.create_task(store.fetch()) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # its client left: the next one asks
    answer.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None] * 4
    assert asked == 2
    assert store.keys == (key("a"),)


def kept(store: KeyStore) -> tuple[VerificationKey, ...] | None:
    return store.keys


def states(store: KeyStore) -> tuple[bool, bool]:
    return store.is_fresh, store.may_fetch


async def test_keys_get_old_and_then_too_old() -> None:
    clock = Clock()
    good = True

    async def fetch() -> tuple[VerificationKey, ...]:
        if not good:
            raise ProviderError("https://issuer.example.com", "it is away")
        return (key("a"),)

    store = KeyStore(fetch, clock, KeyTimes(fresh=10, stale=100, pause=5))
    assert kept(store) is None
    await store.fetch()
    assert states(store) == (True, False)
    good = False
    clock.now += 50
    assert states(store) == (False, True)
    await store.fetch()
    assert kept(store) == (key("a"),)
    assert states(store) == (False, False), "who does not answer is left in peace too"
    clock.now += 51
    assert kept(store) is None
