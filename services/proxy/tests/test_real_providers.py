"""Tokens of real identity providers, checked by the gate as a client meets it."""

import asyncio
import base64
import hmac
import inspect
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from toolhive_common.middleware.parts import PartName
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.middleware.workload_gates import GateSettings, WorkloadGates
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Request, Response
from toolhive_proxy.models.routes import Route

from .support.oidc import NodeProvider, installed_providers

pytestmark = pytest.mark.wire

ENDPOINT = "http://127.0.0.1:8081/time/mcp"


@pytest.fixture(scope="session")
def folder() -> Path:
    return installed_providers()


@pytest.fixture
async def provider(folder: Path) -> AsyncIterator[NodeProvider]:
    async with NodeProvider(folder, "mock_provider.mjs") as running:
        yield running


class Door:
    """The authentication gate of one workload, with a clock that a test turns."""

    def __init__(self, **oidc: Any) -> None:
        values = {"Audience": "mcp", "AllowPrivateIP": True, "InsecureAllowHTTP": True} | oidc
        config = a_run_config(oidc_config=values)
        self.route = Route(WorkloadKey.default("time"), 1, config.transport, config)
        self.late = 0.0
        self.outcomes: Counter[str] = Counter()

        def count(outcome: str) -> None:
            self.outcomes[outcome] += 1

        gates = WorkloadGates(
            GateSettings(lambda: time.time() + self.late, "somebody", bytes, "a-secret-of-the-test"),
            {},
            endpoint_of=lambda _route: ENDPOINT,
            count_of=lambda _route: count,
        )
        self.gate: Gate = dict(gates.of(self.route))[PartName.AUTHENTICATION]

    def begin(self, token: str) -> Any:
        headers = [(b"authorization", b"Bearer " + token.encode())]
        self.context = RequestContext(Request("POST", "/time/mcp", "", headers, b"", ""), self.route, headers)
        return self.gate(self.context)

    async def knock(self, token: str) -> Response | None:
        answer = self.begin(token)
        found = await answer if inspect.isawaitable(answer) else answer
        assert found is None or isinstance(found, Response)
        if found is not None:
            said = found.body + b"".join(value for _, value in found.headers)
            assert token.rpartition(".")[2].encode() not in said, "a token is never repeated"
        return found


def status(answer: Response | None) -> int:
    return 200 if answer is None else answer.status


def why(answer: Response | None) -> str:
    assert answer is not None
    return str(json.loads(answer.body)["error_description"])


async def test_a_token_opens_the_door_and_says_who_it_is(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    token = await provider.tell("token", payload={"email": "ada@example.com"})
    assert await door.knock(token) is None
    identity = door.context.identity
    assert identity is not None
    assert (identity.subject, identity.claims["email"]) == ("ada", "ada@example.com")
    assert door.begin(token) is None, "the second time nobody has to wait"
    assert await provider.tell("asked") == {"/.well-known/openid-configuration": 1, "/jwks": 1}


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"aud": "other"}, "somebody else (aud)"),
        ({"aud": None}, "somebody else (aud)"),
        ({"iss": "https://evil.example.com"}, "somebody else (iss)"),
        ({"sub": None}, "no subject"),
        ({"sub": ""}, "no subject"),
        ({"exp": None}, "no time of expiry"),
        ({"exp": 1}, "expired"),
        ({"exp": "9999999999"}, "no time of expiry"),
        ({"nbf": 9999999999}, "not valid yet"),
        ({"iat": 9999999999}, "in the future"),
    ],
)
async def test_a_token_that_says_the_wrong_thing_is_refused(
    provider: NodeProvider, payload: dict[str, Any], problem: str
) -> None:
    answer = await Door(Issuer=provider.issuer).knock(await provider.tell("token", payload=payload))
    assert status(answer) == 401
    assert problem in why(answer)


async def test_clocks_may_be_a_little_apart_and_tokens_end_all_the_same(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    token = await provider.tell("token", expiresIn=100)
    assert await door.knock(token) is None
    door.late = 120
    assert await door.knock(token) is None
    door.late = 131
    assert "expired" in why(await door.knock(token))


async def test_keys_that_rotate_while_it_runs_are_asked_for_once(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    old = await provider.tell("token")
    assert await door.knock(old) is None
    await provider.tell("rotate")
    new = [await provider.tell("token", payload={"n": n}) for n in range(20)]
    assert "key that its issuer does not have" in why(await door.knock(new[0])), "asked a moment ago"
    door.late = 6
    assert [status(answer) for answer in await asyncio.gather(*map(Door.knock, [door] * 20, new))] == [200] * 20
    assert (await provider.tell("asked"))["/jwks"] == 2
    door.late = 301
    assert status(await door.knock(old)) == 401, "its key was withdrawn"


async def test_a_storm_of_unknown_keys_reaches_the_provider_once(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    assert await door.knock(await provider.tell("token")) is None
    storm = [await provider.tell("token", header={"kid": f"made-up-{n}"}) for n in range(50)]
    door.late = 6
    answers = await asyncio.gather(*map(Door.knock, [door] * 50, storm))
    assert {status(answer) for answer in answers} == {401}
    assert (await provider.tell("asked"))["/jwks"] == 2


async def test_known_keys_serve_while_the_provider_is_down_but_not_for_ever(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    tokens = [await provider.tell("token", expiresIn=9000, payload={"n": n}) for n in range(3)]
    assert await door.knock(tokens[0]) is None
    await provider.tell("down", value=True)
    door.late = 1800
    assert await door.knock(tokens[1]) is None
    door.late = 3700
    answer = await door.knock(tokens[2])
    assert status(answer) == 503
    assert answer is not None
    assert (b"retry-after", b"5") in answer.headers
    await provider.tell("down", value=False)
    assert status(await door.knock(tokens[2])) == 503, "it is not asked again at once"
    door.late = 3706
    assert await door.knock(tokens[2]) is None
    assert door.outcomes == {"verified": 3, "provider_down": 2}


async def test_a_provider_that_was_never_up_is_no_fault_of_the_token(provider: NodeProvider) -> None:
    token = await provider.tell("token")
    await provider.tell("down", value=True)
    answer = await Door(Issuer=provider.issuer).knock(token)
    assert status(answer) == 503
    assert answer is not None
    assert not [value for name, value in answer.headers if name == b"www-authenticate"]


def forged(head: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    algorithm = head["alg"]
    return jwt.encode(claims, key, algorithm=algorithm, headers=head)


def confused(algorithm: str, key_id: str, body: str, secret: bytes) -> str:
    """Sign with a public key as if it were a secret; no library does this any more."""
    head = encoded(json.dumps({"alg": algorithm, "kid": key_id}).encode())
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return f"{head}.{body}.{encoded(hmac.digest(secret, f'{head}.{body}'.encode(), digest))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_a_public_key_is_no_shared_secret(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    token = await provider.tell("token")
    (public,) = await provider.tell("keys")
    head, body, _ = token.split(".")
    pem = jwt.PyJWK(public).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (json.dumps(public).encode(), pem, pem.strip(), public["n"].encode()):
        for algorithm in ("HS256", "HS384", "HS512"):
            assert "algorithm" in why(await door.knock(confused(algorithm, public["kid"], body, secret)))
    for algorithm in ("none", "None", "nOnE", ""):
        changed = encoded(json.dumps({"alg": algorithm, "kid": public["kid"]}).encode())
        assert "algorithm" in why(await door.knock(f"{changed}.{body}.AA"))
    assert "signature" in why(await door.knock(f"{head}.{body}.AAAA"))
    assert door.outcomes["verified"] == 0


async def test_a_key_is_good_for_its_own_algorithm_only(provider: NodeProvider) -> None:
    door = Door(Issuer=provider.issuer)
    (public,) = await provider.tell("keys")
    claims = jwt.decode(await provider.tell("token"), options={"verify_signature": False})
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "signature" in why(await door.knock(forged({"alg": "RS256", "kid": public["kid"]}, claims, stranger)))
    for algorithm in ("PS256", "RS512"):
        answer = await door.knock(forged({"alg": algorithm, "kid": public["kid"]}, claims, stranger))
        assert "key that its issuer does not have" in why(answer)
    with_key = {"alg": "RS256", "jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))}
    assert status(await door.knock(forged(with_key, claims, stranger))) == 401
    assert "extensions" in why(
        await door.knock(forged({"alg": "RS256", "crit": ["x"], "x": 1, "kid": public["kid"]}, claims, stranger))
    )
    assert "not an access token" in why(
        await door.knock(forged({"alg": "RS256", "typ": "logout+jwt", "kid": public["kid"]}, claims, stranger))
    )


@pytest.mark.parametrize("algorithm", ["RS384", "PS256", "ES256", "ES384", "EdDSA"])
async def test_all_pinned_algorithms_are_understood(provider: NodeProvider, algorithm: str) -> None:
    await provider.tell("rotate", alg=algorithm)
    door = Door(Issuer=provider.issuer)
    assert await door.knock(await provider.tell("token")) is None
    assert await door.knock(await provider.tell("token", header={"kid": None})) is None, "there is one key only"


async def test_private_addresses_and_plain_http_are_asked_only_when_that_is_allowed(provider: NodeProvider) -> None:
    token = await provider.tell("token")
    assert status(await Door(Issuer=provider.issuer, AllowPrivateIP=False).knock(token)) == 503
    plain = Door(Issuer=provider.issuer, InsecureAllowHTTP=False)
    answer = await plain.knock(token)
    assert answer is not None
    assert (answer.status, b"InsecureAllowHTTP" in answer.body) == (503, True)
    assert await provider.tell("asked") == {}


async def test_a_provider_that_calls_itself_something_else_is_not_believed(provider: NodeProvider) -> None:
    other = provider.issuer.replace("127.0.0.1", "localhost")
    assert status(await Door(Issuer=other).knock(await provider.tell("token"))) == 503
    assert await Door(JWKSURL=f"{other}/jwks").knock(await provider.tell("token")) is None


async def a_token(provider: NodeProvider, **form: str) -> str:
    async with httpx.AsyncClient(auth=("caller", "a-secret-of-the-test"), trust_env=False) as client:
        answer = await client.post(f"{provider.issuer}/token", data={"grant_type": "client_credentials", **form})
    return str(answer.raise_for_status().json()["access_token"])


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_a_complete_provider_and_the_resource_that_it_names(folder: Path, algorithm: str) -> None:
    async with NodeProvider(folder, "oidc_provider.mjs", algorithm) as provider:
        door = Door(Issuer=provider.issuer, Audience=ENDPOINT, RequiredScopes=["mcp:tools"])
        assert await door.knock(await a_token(provider, resource=ENDPOINT, scope="mcp:tools")) is None
        assert door.context.identity is not None
        assert door.context.identity.subject == "caller"
        other = await a_token(provider, resource="https://other.example.com/mcp", scope="mcp:tools")
        assert "(aud)" in why(await door.knock(other))
        answer = await door.knock(await a_token(provider, resource=ENDPOINT))
        assert answer is not None
        assert answer.status == 403
        challenge = dict(answer.headers)[b"www-authenticate"]
        assert b'error="insufficient_scope"' in challenge
        assert b'scope="mcp:tools"' in challenge


async def test_an_opaque_token_is_asked_about_until_it_is_revoked(folder: Path) -> None:
    async with NodeProvider(folder, "oidc_provider.mjs") as provider:
        url = f"{provider.issuer}/token/introspection"
        door = Door(Issuer=provider.issuer, IntrospectionURL=url, ClientID="caller", Audience="")
        token = await provider.tell("opaque", account="ada")
        assert await door.knock(token) is None
        assert door.context.identity is not None
        assert door.context.identity.subject == "ada"
        assert door.begin(token) is None, "for a short time it is known"
        assert "not active" in why(await door.knock("made-up"))
        await provider.tell("revoke", value=token)
        door.late = 31
        assert "not active" in why(await door.knock(token))
        stranger = Door(Issuer=provider.issuer, IntrospectionURL=url, ClientID="nobody")
        assert status(await stranger.knock(token)) == 503, "the provider does not talk to strangers"
        assert "cannot be read" in why(await Door(Issuer=provider.issuer).knock(token))
