"""TLS still verifies the name in the URL, although the connection goes to a judged address."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from service.handlers._client import guarded_client
from tests.handlers.conftest import Receiver

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@dataclass
class TlsReceiver:
    port: int
    trust: ssl.SSLContext  # a client's context that trusts the receiver's certificate
    names: list[str | None] = field(default_factory=list)  # asked for by clients (SNI)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hooks.test"
    san = ["-addext", "subjectAltName=DNS:hooks.test"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *options.split(), *san, *files], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
async def tls_receiver(certificate: tuple[Path, Path]) -> AsyncIterator[TlsReceiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    receiver, http = TlsReceiver(0, ssl.create_default_context(cafile=certificate[0])), Receiver()
    context.sni_callback = lambda _, name, __: receiver.names.append(name)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(http.serve(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
        await asyncio.gather(*tasks)


async def to_loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_the_name_in_the_url_is_asked_for_and_verified(tls_receiver: TlsReceiver) -> None:
    async with guarded_client(to_loopback, allow_loopback=True, tls=tls_receiver.trust) as client:
        assert (await client.post(f"https://hooks.test:{tls_receiver.port}/")).status_code == 200
    assert tls_receiver.names == ["hooks.test"]


async def test_a_certificate_of_another_name_is_refused_at_the_same_address(tls_receiver: TlsReceiver) -> None:
    async with guarded_client(to_loopback, allow_loopback=True, tls=tls_receiver.trust) as client:
        assert (await client.post(f"https://hooks.test:{tls_receiver.port}/")).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.post(f"https://other.test:{tls_receiver.port}/")


async def test_a_certificate_that_nobody_vouches_for_is_refused(tls_receiver: TlsReceiver) -> None:
    async with guarded_client(to_loopback, allow_loopback=True) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.post(f"https://hooks.test:{tls_receiver.port}/")
