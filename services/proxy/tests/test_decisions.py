"""The tables of what to do."""

from typing import Any

import orjson
import pytest

from toolhive_common.mcp.port import RefusalCode
from toolhive_common.origin import OriginRule, refuse_host, refuse_origin
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import DesiredPhase, DesiredWorkload, ObservedPhase, ObservedWorkload
from toolhive_common.testing.factories import a_desired, a_run_config, an_observed
from toolhive_proxy.decisions.refusal import failure_from
from toolhive_proxy.decisions.routing_table import (
    Came,
    Reattached,
    Went,
    changes_between,
    lookup,
)
from toolhive_proxy.decisions.session_keys import opened, owner_of, seal_key, sealed, session_key
from toolhive_proxy.decisions.upstream_failure import is_safe_to_repeat
from toolhive_proxy.models.gates import Identity
from toolhive_proxy.models.messages import Message
from toolhive_proxy.models.routes import Origin, Route, Unavailable, Unknown
from toolhive_proxy.protocol.headers import accepts_json, accepts_sse, end_to_end
from toolhive_proxy.protocol.messages import read_client


def a_message(**value: Any) -> Message:
    found = read_client(orjson.dumps({"jsonrpc": "2.0", **value}))
    assert isinstance(found, Message)
    return found


HTTP = a_run_config("time", transport=Transport.STREAMABLE_HTTP)


@pytest.mark.parametrize(
    ("desired", "observed", "kind"),
    [
        pytest.param(None, an_observed(), Unknown, id="not declared"),
        pytest.param(a_desired(phase=DesiredPhase.REMOVED), an_observed(), Unknown, id="being removed"),
        pytest.param(a_desired(phase=DesiredPhase.STOPPED), an_observed(), Unavailable, id="stopped by wish"),
        pytest.param(a_desired(), None, Unavailable, id="not seen yet"),
        pytest.param(a_desired(revision=2), an_observed(), Unavailable, id="of an older revision"),
        pytest.param(a_desired(), an_observed(), Route, id="runs"),
        pytest.param(a_desired(run_config=HTTP), an_observed(), Unavailable, id="without address"),
        pytest.param(a_desired(run_config=HTTP), an_observed(endpoint="ftp://x:1"), Unavailable, id="not http"),
        pytest.param(a_desired(run_config=HTTP), an_observed(endpoint="http://x:99999"), Unavailable, id="no port"),
        pytest.param(a_desired(run_config=HTTP), an_observed(endpoint="http://x:80"), Route, id="http"),
        *(
            pytest.param(a_desired(), an_observed(phase=phase), Unavailable, id=str(phase))
            for phase in ObservedPhase
            if phase is not ObservedPhase.RUNNING
        ),
    ],
)
def test_a_workload_is_routed_only_when_it_runs_as_declared(
    desired: DesiredWorkload | None, observed: ObservedWorkload | None, kind: type
) -> None:
    assert isinstance(lookup("time", desired, observed), kind)


def a_route(**changes: Any) -> Route:
    found = lookup("time", a_desired(**changes.pop("desired", {})), an_observed(**changes))
    assert isinstance(found, Route)
    return found


def test_changes_are_told_once() -> None:
    first, again = a_route(attachment="a"), a_route(attachment="b")
    newer = a_route(desired={"revision": 2}, revision=2)
    down = Unavailable(first.key, "why", 1)
    assert changes_between({}, {"time": first}) == [Came(first)]
    assert changes_between({"time": first}, {"time": first}) == []
    assert changes_between({"time": first}, {"time": again}) == [Reattached(again)]
    assert changes_between({"time": first}, {"time": down}) == [Went(first, "why")]
    assert changes_between({"time": down}, {"time": again}) == [Came(again)]
    assert [type(change) for change in changes_between({"time": first}, {"time": newer})] == [Went, Came]
    assert [type(change) for change in changes_between({"time": first}, {})] == [Went]


PING = a_message(id=1, method="ping")
TOLD = a_message(method="notifications/x")

LOCAL = OriginRule.for_public_url("http://127.0.0.1:8081")


@pytest.mark.parametrize(
    ("rule", "host", "origin", "also", "passes"),
    [
        (LOCAL, "127.0.0.1:8081", "", (), True),
        (LOCAL, "[::1]:9", "", (), True),
        (LOCAL, "LOCALHOST", "http://localhost:8081", (), True),
        (LOCAL, "", "", (), False),
        (LOCAL, "evil.example:8081", "", (), False),
        (LOCAL, "127.0.0.1.evil.example", "", (), False),
        (LOCAL, "localhost", "http://localhost:9", (), False),
        (LOCAL, "localhost", "https://localhost:8081", (), False),
        (LOCAL, "localhost", "http://app.example", ("http://app.example",), True),
        (LOCAL, "localhost", "http://localhost:8081", ("http://app.example",), False),
        (OriginRule.for_public_url("https://mcp.example"), "anything", "http://anywhere", (), True),
        (OriginRule.for_public_url("https://mcp.example"), "x", "http://b", ("http://a",), False),
    ],
)
def test_only_pages_of_the_public_address_may_call(
    *,
    rule: OriginRule,
    host: str,
    origin: str,
    also: tuple[str, ...],
    passes: bool,
) -> None:
    problem = refuse_host(rule, host) or refuse_origin(rule, origin, also=also)
    assert (problem == "") == passes


@pytest.mark.parametrize(
    ("accept", "sse", "json"),
    [
        ("", False, True),
        ("*/*", False, True),
        ("application/json", False, True),
        ("text/event-stream", True, False),
        ("application/json, Text/Event-Stream;q=0.5", True, True),
        ("text/event-stream;q=0, application/json", False, True),
    ],
)
def test_accept_is_read_as_toolhive_reads_it(*, accept: str, sse: bool, json: bool) -> None:
    assert (accepts_sse(accept), accepts_json(accept)) == (sse, json)


def test_headers_of_one_connection_end_with_it() -> None:
    headers = [(b"connection", b"close, X-Own"), (b"x-own", b"1"), (b"te", b"x"), (b"kept", b"1"), (b"host", b"h")]
    assert end_to_end(headers, without=frozenset({b"host"})) == [(b"kept", b"1")]


@pytest.mark.parametrize(
    ("method", "message", "safe"),
    [
        ("GET", None, True),
        ("DELETE", None, False),
        ("POST", PING, True),
        ("POST", a_message(id=1, method="tools/list"), True),
        ("POST", a_message(id=1, method="tools/call"), False),
        ("POST", TOLD, False),
    ],
)
def test_only_reads_are_repeated(*, method: str, message: Message | None, safe: bool) -> None:
    assert is_safe_to_repeat(method, message) == safe


def test_an_origin_is_written_as_a_host_header() -> None:
    assert Origin("::1", 8080).authority == "[::1]:8080"
    assert Origin("server", 80).authority == "server"


def test_a_session_id_of_another_caller_names_another_session() -> None:
    ours, session = {"iss": "https://id.example", "sub": "anna"}, "0123456789abcdef"
    callers = [
        None,
        Identity("root"),
        *(Identity("anna", ours | {"iss": iss}) for iss in ("a", "b")),
        Identity("ben", ours),
    ]
    keys = [session_key(session, caller) for caller in callers]
    assert keys[0] == keys[1] == session, "without authentication everybody is the same"
    assert len(set(keys)) == 4
    assert {key[:8] for key in keys} == {session[:8]}, "events tell the first eight characters"
    assert session_key("", callers[-1]) == ""


def test_a_sealed_session_id_is_of_use_to_its_owner_at_its_workload_and_under_its_key_only() -> None:
    anna, ben = (Identity(sub, {"iss": "https://id.example", "sub": sub}) for sub in ("anna", "ben"))
    owner, key = owner_of("time", anna), seal_key("of the stack")
    told = sealed(b"0123.456", owner, key)
    assert told.startswith(b"0123.456.")
    assert told.isascii()
    assert len(told) == 8 + 33
    assert opened(told, owner, key) == b"0123.456"
    assert opened(told, owner_of("time", ben), key) is None
    assert opened(told, owner_of("web", anna), key) is None
    assert opened(told, owner, seal_key("of another stack")) is None
    for forged in (
        b"",
        b"0123.456",
        told[:-1],
        told + b"a",
        b"x" + told,
        told[8:],
        told[-32:],
        told.replace(b".", b"-"),
    ):
        assert opened(forged, owner, key) is None
    assert (
        len({owner_of("t", Identity(sub, {"iss": iss})) for iss, sub in (("a", "b"), ("a\0b", ""), ("", "a\0b"))})
        == 3
    )


@pytest.mark.parametrize("caller", [None, Identity("root")])
def test_without_authentication_session_ids_stay_as_they_are(caller: Identity | None) -> None:
    assert sealed(b"id", owner_of("time", caller), b"key") == b"id"
    assert opened(b"id", owner_of("time", caller), b"key") == b"id"


@pytest.mark.parametrize("code", RefusalCode)
def test_each_refusal_of_a_keeper_is_an_error_to_the_client(code: RefusalCode) -> None:
    failure = failure_from(code, "why")
    assert failure.message == "why"
    assert failure.status >= 400
    assert (failure.status == 429) is (code is RefusalCode.CALLS_FULL)
