"""How identity providers are asked: over TLS, with a token, patiently and not for ever."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from toolhive_proxy.adapters.provider_http import ProviderHttp, ProviderLimits
from toolhive_proxy.errors import ProviderError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def provider(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one fixed answer; what was asked is in the list."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await reader.read()  # until the other side has enough
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys?x=1", asked


def local(**changes: object) -> ProviderHttp:
    return ProviderHttp(**({"allow_http": True, "allow_private": True} | changes))  # type: ignore[arg-type]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a provider")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "ca.pem", tmp_path / "key.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return public, context


async def test_a_certificate_is_believed_when_its_authority_is_named(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    authority, tls = certificate
    async with provider(OK, tls) as (url, _):
        answer = await local(allow_http=False, ca_file=str(authority)).get(url)
        assert (answer.status, answer.body) == (200, b"{}")
        with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED"):
            await local(allow_http=False).get(url)


async def test_a_token_of_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    async with provider(OK) as (url, asked):
        http = local(token_file=str(token))
        for value in ("first", "second"):
            token.write_text(f"{value}\n")
            await http.get(url)
            assert f"Authorization: Bearer {value}\r\n".encode() in asked[-1]
        token.unlink()
        with pytest.raises(ProviderError, match="No such file"):
            await http.get(url)
    assert asked[0].startswith(b"GET /keys?x=1 HTTP/1.1\r\n")


async def test_a_secret_goes_into_the_header_and_into_no_message() -> None:
    async with provider(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        assert (await local().post(url, b"token=t0ken", user="u", password="hunter2")).status == 400
        assert b"Authorization: Basic dTpodW50ZXIy\r\n" in asked[0]
    with pytest.raises(ProviderError) as caught:
        await local().post(url, b"token=t0ken", user="u", password="hunter2")
    assert "hunter2" not in caught.value.message
    assert "t0ken" not in caught.value.message
    assert "?x=1" not in caught.value.message, "a query may hold a key"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3000, "larger than 2000"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3000, "larger than 2000"),
        (b"not HTTP at all\r\n\r\n", "cannot be used"),
        (b"", "within 0.3 s"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "within 0.3 s"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "within 0.3 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "within 0.3 s"),
    ],
)
async def test_a_provider_that_says_too_much_or_too_little_is_left(answer: bytes, problem: str) -> None:
    async with provider(answer) as (url, _):
        with pytest.raises(ProviderError, match=problem):
            await local(limits=ProviderLimits(patience=0.3, max_size=2000)).get(url)


async def test_chunks_are_joined_and_redirects_not_followed() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    async with provider(chunked) as (url, _):
        assert (await local().get(url)).body == b"{}"
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with provider(moved) as (url, asked):
        assert (await local().get(url)).status == 302
        assert len(asked) == 1


@pytest.mark.parametrize("change", [lambda url: url, lambda url: url.replace("127.0.0.1", "localhost")])
async def test_a_private_address_is_not_even_connected_to(change: Callable[[str], str]) -> None:
    async with provider(OK) as (url, asked):
        with pytest.raises(ProviderError, match="AllowPrivateIP"):
            await local(allow_private=False).get(change(url))
        with pytest.raises(ProviderError, match="InsecureAllowHTTP"):
            await local(allow_http=False).get(change(url))
    assert asked == []
