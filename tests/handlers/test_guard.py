"""Where a webhook may connect to. The resolver is a parameter, so names lead where a test wants; sockets are real."""

from collections.abc import Sequence

import httpx
import pytest

from service.domain.job import NonRetryable
from service.handlers._client import guarded_client
from service.handlers._guard import permitted, resolve
from tests.handlers.conftest import Receiver

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"]
PRIVATE = [
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.1.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:1.1.1.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_permitted(address: str) -> None:
    assert permitted(address, 443)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_or_special_address_is_refused(address: str) -> None:
    assert not permitted(address, 443)


@pytest.mark.parametrize("address", [text for text in PRIVATE if not text.startswith("127.") and text != "::1"])
def test_the_option_for_loopback_permits_loopback_only(address: str) -> None:
    assert not permitted(address, 443, allow_loopback=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_the_option_for_loopback_permits_any_port_there(address: str) -> None:
    assert permitted(address, 9_000, allow_loopback=True)


@pytest.mark.parametrize("port", [0, 22, 25, 3306, 5432, 6379, 9090, 9200, 11211])
def test_other_ports_are_refused(port: int) -> None:
    assert not permitted("1.1.1.1", port)
    assert not permitted("1.1.1.1", port, allow_loopback=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.1",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00::1]",
    ],
)
async def test_every_spelling_of_a_private_host_is_refused_by_the_real_resolver(host: str) -> None:
    async with guarded_client() as client:
        with pytest.raises(NonRetryable, match="not permitted") as raised:
            await client.post(f"http://{host}/")
    assert host.strip("[]") not in str(raised.value)


def resolving_to(*answers: Sequence[str]) -> "Names":
    return Names(list(answers))


class Names:
    """A resolver with an answer for each look-up; the last one stays."""

    def __init__(self, answers: list[Sequence[str]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("addresses", [["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], ["1.1.1.1", "::1"]])
async def test_one_private_address_among_public_ones_refuses_the_host(addresses: list[str]) -> None:
    async with guarded_client(resolving_to(addresses)) as client:
        with pytest.raises(NonRetryable):
            await client.post("http://mixed.test/")


async def test_the_connection_goes_to_the_judged_address_without_a_second_look_up(receiver: Receiver) -> None:
    names = resolving_to(["127.0.0.1"], ["169.254.169.254"])  # what a rebinding attacker does, the other way round
    async with guarded_client(names, allow_loopback=True) as client:
        response = await client.post(f"http://rebound.test:{receiver.port}/hook")
        assert response.status_code == 200
    assert names.asked == [("rebound.test", receiver.port)]
    assert f"host: rebound.test:{receiver.port}" in receiver.heads[0]


async def test_a_name_that_was_public_is_judged_anew_for_each_connection(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with guarded_client(resolving_to(["127.0.0.1"], ["10.0.0.1"]), allow_loopback=True) as client:
        await client.post(f"http://rebound.test:{receiver.port}/")
        with pytest.raises(NonRetryable):
            await client.post(f"http://rebound.test:{receiver.port}/")


async def test_an_address_that_does_not_answer_leaves_its_place_to_the_next(receiver: Receiver) -> None:
    async with guarded_client(resolving_to(["::1", "127.0.0.1"]), allow_loopback=True) as client:
        assert (await client.post(f"http://both.test:{receiver.port}/")).status_code == 200


async def test_a_name_that_does_not_resolve_is_no_refusal() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    async with guarded_client(unknown) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("http://nowhere.test/")


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".test"])
async def test_what_can_be_no_name_is_refused(host: str) -> None:
    async with guarded_client() as client:
        with pytest.raises(NonRetryable):
            await client.post(f"http://{host}/")


async def test_the_system_resolver_gives_each_address_once() -> None:
    assert await resolve("127.1", 80) == ["127.0.0.1"]


async def test_no_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, receiver.url)
    async with guarded_client(resolving_to(["10.0.0.1"])) as client:
        with pytest.raises(NonRetryable):
            await client.post("http://inside.test/")
    assert receiver.connections == 0


async def test_cookies_of_one_job_are_not_sent_with_the_next(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with guarded_client(allow_loopback=True) as client:
        await client.post(receiver.url)
        await client.post(receiver.url)
    assert len(receiver.heads) == 2
    assert not any("cookie" in head for head in receiver.heads)
