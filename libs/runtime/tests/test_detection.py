import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from toolhive_common.errors import ErrorCode
from toolhive_runtime.docker import DockerRuntime, detect_runtime
from toolhive_runtime.docker.translation import translated_socket
from toolhive_runtime.errors import NoRuntimeError, RuntimeFailure, SocketVariableError


@asynccontextmanager
async def answering(path: Path, answer: bytes) -> AsyncIterator[None]:
    """An engine that says the same to everything, and hangs up."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(reply, path)
    async with server:
        yield


VERSION = b'HTTP/1.0 200 OK\r\n\r\n{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}'


async def test_a_socket_that_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    silent = tmp_path / "podman" / "podman.sock"
    silent.parent.mkdir()
    silent.touch()
    good = tmp_path / "good.sock"
    async with answering(good, VERSION):
        runtime = await detect_runtime({"XDG_RUNTIME_DIR": str(tmp_path), "TOOLHIVE_COLIMA_SOCKET": str(good)})
        assert runtime.socket == str(good)
        assert await runtime.describe() == "Podman 4.3.1"
        await runtime.close()


async def test_a_socket_that_hangs_up_or_speaks_something_else_is_passed_over(tmp_path: Path) -> None:
    hung, strange, good = tmp_path / "hung.sock", tmp_path / "strange.sock", tmp_path / "good.sock"
    environment = {
        "TOOLHIVE_PODMAN_SOCKET": str(hung),
        "TOOLHIVE_COLIMA_SOCKET": str(strange),
        "TOOLHIVE_DOCKER_SOCKET": str(good),
    }
    async with answering(hung, b""), answering(strange, b"220 mail\r\n\r\n"), answering(good, VERSION):
        runtime = await detect_runtime(environment)
        assert runtime.socket == str(good)
        await runtime.close()


async def test_a_variable_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SocketVariableError, match="TOOLHIVE_DOCKER_SOCKET"):
        await detect_runtime({"TOOLHIVE_DOCKER_SOCKET": str(tmp_path / "gone.sock")})


def test_no_runtime_lists_what_was_tried_and_what_to_do() -> None:
    error = NoRuntimeError([("/a.sock (podman)", "not there"), ("/b.sock (docker)", "x")], permission_denied=False)
    assert error.code is ErrorCode.ENGINE_UNREACHABLE
    assert error.message.startswith("no supported container runtime")
    assert "/a.sock (podman): not there" in error.message
    assert "Start Podman, Colima or Docker" in error.message


def test_a_socket_without_permission_names_the_docker_group() -> None:
    error = NoRuntimeError([("/b.sock (docker)", "permission denied")], permission_denied=True)
    assert error.code is ErrorCode.ENGINE_PERMISSION_DENIED
    assert "docker group" in error.message


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(13, "x"), ErrorCode.ENGINE_PERMISSION_DENIED, "docker group"),
        (FileNotFoundError(2, "x"), ErrorCode.ENGINE_UNREACHABLE, "no such socket"),
        (ConnectionRefusedError(111, "x"), ErrorCode.ENGINE_UNREACHABLE, "nothing listens"),
        (TimeoutError(), ErrorCode.ENGINE_UNREACHABLE, "no answer in time"),
        (BrokenPipeError(32, "x"), ErrorCode.ENGINE_UNREACHABLE, "the connection broke"),
        (asyncio.IncompleteReadError(b"", 1), ErrorCode.ENGINE_UNREACHABLE, "the connection broke"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_trouble_with_the_socket_is_told_by_its_cause(error: Exception, code: ErrorCode, said: str) -> None:
    with pytest.raises(RuntimeFailure, match=said) as failure, translated_socket("/e.sock"):
        raise error
    assert failure.value.code is code
    assert "/e.sock" in failure.value.message


async def test_an_engine_that_is_not_there_is_told_by_every_method(tmp_path: Path) -> None:
    runtime = DockerRuntime(str(tmp_path / "gone.sock"))
    calls = [runtime.describe(), runtime.list({}), runtime.info("x"), runtime.start("x"), runtime.attach("x")]
    for call in calls:
        with pytest.raises(RuntimeFailure) as failure:
            await call
        assert failure.value.code is ErrorCode.ENGINE_UNREACHABLE
    with pytest.raises(RuntimeFailure) as failure:
        await anext(runtime.events({}))
    assert failure.value.code is ErrorCode.ENGINE_UNREACHABLE
    await runtime.close()


async def test_an_engine_that_hangs_up_on_a_known_caller_is_told_too(tmp_path: Path) -> None:
    runtime = DockerRuntime(str(tmp_path / "e.sock"))
    async with answering(tmp_path / "e.sock", VERSION):
        await runtime.stop("x", grace=1)
    (tmp_path / "e.sock").unlink(missing_ok=True)
    async with answering(tmp_path / "e.sock", b""):
        with pytest.raises(RuntimeFailure, match="the connection broke") as failure:
            await runtime.stop("x", grace=1)
    assert failure.value.code is ErrorCode.ENGINE_UNREACHABLE
    await runtime.close()


async def test_events_fail_when_the_engine_goes_away(tmp_path: Path) -> None:
    async with answering(tmp_path / "e.sock", b"HTTP/1.0 200 OK\r\n\r\n"):
        runtime = DockerRuntime(str(tmp_path / "e.sock"))
        with pytest.raises(RuntimeFailure) as failure:
            await anext(runtime.events({}))
        assert failure.value.code is ErrorCode.ENGINE_UNREACHABLE
        await runtime.close()


@pytest.mark.engine
async def test_the_engine_of_this_machine_is_found() -> None:
    runtime = await detect_runtime(os.environ)
    assert await runtime.describe()
    await runtime.close()
