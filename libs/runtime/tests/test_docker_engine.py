"""What only a real engine can show."""

import asyncio
import gzip
import hashlib
import io
import json
import socket
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from toolhive_common.errors import ErrorCode
from toolhive_runtime.errors import RuntimeFailure
from toolhive_runtime.runtime import (
    BuilderOptions,
    ContainerEventKind,
    ImageProgress,
    ImageSource,
    Mount,
    NetworkSpec,
    PortBinding,
)

from .conftest import BASE_IMAGE, Engine

pytestmark = pytest.mark.engine

BUILDER = BuilderOptions(base_images={"uvx": BASE_IMAGE, "npx": BASE_IMAGE, "go": BASE_IMAGE})
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()
"""Debian keeps them there."""
UNREACHABLE = "127.0.0.1:1"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def silent(_: ImageProgress) -> None:
    pass


async def first_line(output: AsyncIterator[bytes]) -> bytes:
    text = bytearray()
    async for chunk in output:
        text += chunk
        if text.endswith(b"\n"):
            break
    return bytes(text)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("source", "command", "server"),
    [
        ("uvx://mcp-server-time", ("--local-timezone", "UTC"), "mcp-time"),
        ("npx://@modelcontextprotocol/server-everything", (), "mcp-servers/everything"),
        ("go://github.com/modelcontextprotocol/go-sdk/examples/server/everything", (), "everything"),
    ],
    ids=["uvx", "npx", "go"],
)
async def test_a_package_becomes_an_image_whose_server_answers_and_is_not_built_again(
    engine: Engine, source: str, command: tuple[str, ...], server: str
) -> None:
    image, _ = await engine.runtime.ensure_image(source, progress=silent, builder=BUILDER)
    assert await engine.runtime.ensure_image(source, progress=silent, builder=BUILDER) == (image, ImageSource.LOCAL)

    container_id = await engine.runtime.create(engine.spec(image=image, command=command))
    attachment = await engine.runtime.attach(container_id)
    await engine.runtime.start(container_id)
    await attachment.write(json.dumps(INITIALIZE).encode() + b"\n")
    answer = json.loads((await first_line(attachment.read())).splitlines()[0])
    assert answer["result"]["serverInfo"]["name"] == server
    await attachment.close()
    assert engine.client.inspect_image(image)["Config"]["User"] == "appuser"  # type: ignore[no-untyped-call]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("uvx://no-such-server-of-toolhive", "no no-such-server-of-toolhive"),
        ("uvx://mcp-server-time@99.99", "no mcp-server-time==99.99"),
        ("npx://@modelcontextprotocol/no-such-server-of-toolhive", "no-such-server-of-toolhive"),
        ("go://github.com/modelcontextprotocol/go-sdk/no-such-server", "no-such-server"),
    ],
)
async def test_a_package_that_does_not_exist_is_not_found(engine: Engine, source: str, said: str) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.ensure_image(source, progress=silent, builder=BUILDER)
    assert failure.value.code is ErrorCode.PACKAGE_NOT_FOUND
    assert said in failure.value.message


async def test_a_build_tells_its_steps(engine: Engine) -> None:
    told: list[ImageProgress] = []
    with pytest.raises(RuntimeFailure):
        await engine.runtime.ensure_image("uvx://no-such-server-of-toolhive", progress=told.append, builder=BUILDER)
    assert "install no-such-server-of-toolhive" in " ".join(progress.message for progress in told)
    assert all(progress.building for progress in told)


async def test_a_package_without_a_command_fails_with_the_last_lines_of_its_build(engine: Engine) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.ensure_image("uvx://idna@3.10", progress=silent, builder=BUILDER)
    assert failure.value.code is ErrorCode.IMAGE_BUILD_FAILED
    assert "No executables are provided by package `idna`" in failure.value.message


async def test_a_base_image_that_is_not_to_be_had_is_named(engine: Engine) -> None:
    builder = BuilderOptions(base_images={"uvx": f"{UNREACHABLE}/base:1"})
    with pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.ensure_image("uvx://idna", progress=silent, builder=builder)
    assert failure.value.code is ErrorCode.IMAGE_BUILD_FAILED
    assert f"{UNREACHABLE}/base:1" in failure.value.message
    assert "TOOLHIVE_BUILDER_IMAGE_UVX" in failure.value.message


@pytest.mark.timeout(180)
async def test_given_certificate_authorities_are_trusted_inside(engine: Engine) -> None:
    builder = BuilderOptions(base_images=BUILDER.base_images, ca_bundle=AUTHORITIES)
    image, _ = await engine.runtime.ensure_image("uvx://mcp-server-time", progress=silent, builder=builder)
    environment = engine.client.inspect_image(image)["Config"]["Env"]  # type: ignore[no-untyped-call]
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in environment


async def test_a_line_of_20_mb_goes_in_and_comes_out_whole(engine: Engine) -> None:
    size = 20 * 1024 * 1024
    program = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.flush()"
    container_id = await engine.runtime.create(engine.spec("python3", "-c", program))
    attachment = await engine.runtime.attach(container_id)
    await engine.runtime.start(container_id)
    sent = b"x" * size + b"\n"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(attachment.write(sent))
        reading = tasks.create_task(first_line(attachment.read()))
    assert reading.result() == sent
    await attachment.close()


async def test_a_server_that_does_not_read_makes_the_writer_wait(engine: Engine) -> None:
    container_id = await engine.runtime.create(engine.spec("sleep", "600"))
    attachment = await engine.runtime.attach(container_id)
    await engine.runtime.start(container_id)

    async def flood() -> None:
        for _ in range(64):
            await attachment.write(b"x" * 1024 * 1024)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flood(), 1)
    await attachment.close()


async def test_memory_that_runs_out_is_told(engine: Engine) -> None:
    program = "held = []\nwhile True: held.append(bytearray(1024 * 1024))"
    body = {
        "Image": BASE_IMAGE,
        "Cmd": ["python3", "-c", program],
        "Labels": engine.labels,
        "HostConfig": {"Memory": 32 * 1024 * 1024, "MemorySwap": 32 * 1024 * 1024},
    }
    made = engine.client.create_container_from_config(body, name=engine.mark)  # type: ignore[no-untyped-call]
    events = engine.runtime.events(engine.labels)
    await engine.runtime.start(made["Id"])
    kinds = []
    async for event in events:
        kinds.append(event.kind)
        if event.kind is ContainerEventKind.DIED:
            assert event.exit_code == 137
            break
    await events.aclose()  # type: ignore[attr-defined]  # a generator, and the stream has to end here
    assert ContainerEventKind.OOM in kinds
    status = await engine.runtime.info(made["Id"])
    assert status is not None
    assert (status.oom_killed, status.exit_code) == (True, 137)


async def test_a_port_in_use_is_told_by_its_number(engine: Engine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        spec = engine.spec(ports=(PortBinding(80, port, "127.0.0.1"),), network=NetworkSpec(f"{engine.mark}-net"))
        container_id = await engine.runtime.create(spec)
        with pytest.raises(RuntimeFailure) as failure:
            await engine.runtime.start(container_id)
    assert failure.value.code is ErrorCode.PORT_TAKEN
    assert str(port) in failure.value.message


async def test_a_mount_without_a_source_is_refused_and_leaves_no_network(engine: Engine) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.create(engine.spec(mounts=(Mount("/no/such/folder", "/data", read_only=True),)))
    assert failure.value.code is ErrorCode.INVALID_MOUNT
    assert "/no/such/folder" in failure.value.message
    assert engine.networks() == []
    assert engine.containers() == []


async def test_a_mount_shows_the_hosts_file_and_read_only_means_it(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("hello")
    spec = engine.spec(
        "sh",
        "-c",
        "cat /data/note; touch /data/new || echo refused",
        mounts=(Mount(str(tmp_path), "/data", read_only=True),),
    )
    container_id = await engine.runtime.create(spec)
    attachment = await engine.runtime.attach(container_id)
    await engine.runtime.start(container_id)
    output = b"".join([chunk async for chunk in attachment.read()])
    assert output == b"hellorefused\n"
    await attachment.close()


async def test_an_image_that_is_not_here_cannot_be_run(engine: Engine) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.create(engine.spec(image="toolhivelocal/no-such-image:1"))
    assert failure.value.code is ErrorCode.IMAGE_NOT_FOUND
    assert engine.networks() == []


async def test_a_command_that_is_not_in_the_image_ends_with_its_name_in_the_log(engine: Engine) -> None:
    # Docker's init process finds it missing, after a start that went well.
    container_id = await engine.runtime.create(engine.spec("no-such-command"))
    attachment = await engine.runtime.attach(container_id)
    events = engine.runtime.events(engine.labels)
    await engine.runtime.start(container_id)
    codes = []
    async for event in events:
        if event.kind is ContainerEventKind.DIED:
            codes.append(event.exit_code)
            break
    await events.aclose()  # type: ignore[attr-defined]  # a generator, and the stream has to end here
    assert codes == [127]
    assert "no-such-command" in await engine.runtime.logs(container_id, lines=5)
    await attachment.close()


async def test_a_network_lasts_as_long_as_a_container_needs_it(engine: Engine) -> None:
    network = NetworkSpec(f"{engine.mark}-shared")
    first = await engine.runtime.create(engine.spec(name=f"{engine.mark}-1", network=network))
    second = await engine.runtime.create(engine.spec(name=f"{engine.mark}-2", network=network))
    await engine.runtime.remove(first)
    assert engine.networks() == [network.name]
    await engine.runtime.start(second)
    await engine.runtime.remove(second)
    assert engine.networks() == []


async def test_ten_containers_made_and_removed_at_once_leave_nothing(engine: Engine) -> None:
    network = NetworkSpec(f"{engine.mark}-shared")

    async def life(number: int) -> None:
        spec = engine.spec(name=f"{engine.mark}-{number}", network=network)
        container_id = await engine.runtime.create(spec)
        await engine.runtime.remove(container_id)

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(life(number))
    assert engine.containers() == []
    assert engine.networks() == []


async def test_a_network_that_somebody_else_made_is_used_and_left(engine: Engine) -> None:
    network = NetworkSpec(f"{engine.mark}-theirs")
    made = engine.client.create_network(network.name, driver="bridge")
    try:
        container = await engine.runtime.create(engine.spec(network=network))
        await engine.runtime.remove(container)
        assert engine.client.inspect_network(network.name)["Id"] == made["Id"]
    finally:
        engine.client.remove_network(network.name)


async def test_an_internal_network_is_made_without_a_way_out(engine: Engine) -> None:
    spec = engine.spec()
    await engine.runtime.create(spec)
    made = engine.client.inspect_network(spec.network.name)
    assert made["Internal"] is True
    assert made["Labels"] == {"toolhive": "true", "toolhive-name": spec.network.name}


# A registry: real pulls where no public one can be reached.


def an_image() -> tuple[bytes, Mapping[str, bytes]]:
    """A manifest and what it refers to, by digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("hello")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    layer = gzip.compress(packed.getvalue())
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(packed.getvalue())]},
        }
    ).encode()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(config),
            "digest": digest(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": len(layer),
                "digest": digest(layer),
            }
        ],
    }
    return json.dumps(manifest).encode(), {digest(config): config, digest(layer): layer}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@contextmanager
def a_registry(*names: str) -> Iterator[str]:
    """Serve images of these names, with the tag ``1``; engines trust a registry on this machine without TLS."""
    manifest, blobs = an_image()
    files = {f"/v2/{name}/manifests/{version}": manifest for name in names for version in ("1", digest(manifest))}
    files |= {f"/v2/{name}/blobs/{key}": blob for name in names for key, blob in blobs.items()}
    missing = json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b"{}" if self.path == "/v2/" else files.get(self.path, missing)
            self.send_response(404 if body is missing else 200)
            kind = "application/vnd.docker.distribution.manifest.v2+json" if body is manifest else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", digest(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_an_image_is_pulled_once_and_tells_its_progress(engine: Engine) -> None:
    told: list[ImageProgress] = []
    with a_registry(engine.mark) as address:
        image = f"{address}/{engine.mark}:1"
        pulled = await engine.runtime.ensure_image(image, progress=told.append, builder=BUILDER)
    assert pulled == (image, ImageSource.PULLED)
    assert not any(progress.building for progress in told)
    assert told[-1].fraction == 1.0
    try:
        # The registry is gone, and nobody asks it.
        again = await engine.runtime.ensure_image(image, progress=silent, builder=BUILDER)
        assert again == (image, ImageSource.LOCAL)
    finally:
        engine.client.remove_image(image)


async def test_an_image_that_its_registry_does_not_have_is_not_found(engine: Engine) -> None:
    with a_registry() as address, pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.ensure_image(f"{address}/nope:1", progress=silent, builder=BUILDER)
    assert failure.value.code is ErrorCode.IMAGE_NOT_FOUND
    assert f"{address}/nope:1" in failure.value.message


async def test_a_registry_that_is_away_is_no_missing_image(engine: Engine) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        await engine.runtime.ensure_image(f"{UNREACHABLE}/time:1", progress=silent, builder=BUILDER)
    assert failure.value.code is ErrorCode.IMAGE_PULL_FAILED


async def test_a_moving_tag_falls_back_to_what_is_here(engine: Engine) -> None:
    image = f"{UNREACHABLE}/{engine.mark}"
    engine.client.tag(BASE_IMAGE, image, "latest")
    try:
        found = await engine.runtime.ensure_image(image, progress=silent, builder=BUILDER)
        assert found == (image, ImageSource.LOCAL)
    finally:
        engine.client.remove_image(f"{image}:latest")
