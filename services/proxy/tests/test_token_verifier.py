"""Tokens that the provider has to be asked about."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, cast

import pytest

from toolhive_proxy.models.tokens import Expectation, ProviderDown, Refused, Verdict, Verified
from toolhive_proxy.services.identity_provider import IdentityProvider
from toolhive_proxy.services.key_store import KeyStore
from toolhive_proxy.services.token_verifier import Signatures, TokenVerifier, VerifierLimits

GOOD = {"active": True, "sub": "anna", "exp": 1e12}


class Provider:
    """Plays an `IdentityProvider` that answers when the test says so."""

    has_keys = False
    can_introspect = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.alive: dict[str, Mapping[str, Any]] = {}
        self.answers = asyncio.Event()
        self.answers.set()

    async def claims_of(self, token: str) -> Mapping[str, Any] | None:
        self.asked.append(token)
        await self.answers.wait()
        return self.alive.get(token)


class World:
    def __init__(self) -> None:
        self.provider = Provider()
        self.time = 1000.0
        self.verifier = TokenVerifier(
            cast("IdentityProvider", self.provider),
            KeyStore(cast("Any", None), lambda: self.time),
            cast("Signatures", Opaque()),
            Expectation(),
            lambda: self.time,
            VerifierLimits(refused=5, asking=2, waiting=3, tokens=10),
        )

    def verify(self, token: str) -> Verdict | Awaitable[Verdict]:
        return self.verifier.verify(f"Bearer {token}".encode(), token)

    async def outcome(self, token: str) -> Verdict:
        verdict = self.verify(token)
        return verdict if isinstance(verdict, Verified | Refused | ProviderDown) else await verdict


class Opaque:
    def read_head(self, token: str) -> None:
        """No token is a JWT here."""


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_bad_token_is_asked_about_once_in_a_while(world: World) -> None:
    for _ in range(3):
        assert isinstance(await world.outcome("bad"), Refused)
    assert world.provider.asked == ["bad"]
    world.time += 6
    world.provider.alive["bad"] = GOOD
    assert isinstance(await world.outcome("bad"), Verified)
    for number in range(30):
        await world.outcome(str(number))
    assert len(world.verifier._refused) == 10


async def test_who_comes_with_a_token_that_is_being_asked_about_shares_the_answer(world: World) -> None:
    world.provider.answers.clear()
    asking = [asyncio.ensure_future(world.outcome("bad")) for _ in range(3)]
    await asyncio.sleep(0)
    world.provider.answers.set()
    assert [type(verdict) for verdict in await asyncio.gather(*asking)] == [Refused] * 3
    assert world.provider.asked == ["bad"] * 2, "as many as are asked about at a time"


async def test_who_finds_too_many_waiting_for_the_provider_is_put_off(world: World) -> None:
    world.provider.answers.clear()
    asking = [asyncio.ensure_future(world.outcome(str(number))) for number in range(5)]
    await asyncio.sleep(0)
    assert world.verify("one more") == ProviderDown(5)
    asking.pop().cancel()
    await asyncio.sleep(0)
    world.provider.answers.set()
    await asyncio.gather(*asking)
    world.provider.alive["one more"] = GOOD
    assert isinstance(await world.outcome("one more"), Verified)
