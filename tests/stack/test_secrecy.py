"""The search finds what is there: planted in streams, in images, in the files as they may stand."""

import base64
import gzip
import io
import tarfile
from pathlib import Path

import pytest

from service import credentials
from tests.stack.secrecy import CHUNK_BYTES, Search, Secret, secrets_of

VALUE = b"a-value-of-a-secret"
SEARCH = Search([Secret("key", VALUE), Secret("other", b"another-secret-value")])


@pytest.mark.parametrize("size", [1, 7, len(VALUE), CHUNK_BYTES])
def test_a_planted_value_is_found_however_the_stream_is_cut(size: int) -> None:
    text = b"x" * 1000 + VALUE + b"y" * 1000
    assert SEARCH.stream(text[at : at + size] for at in range(0, len(text), size)) == {"key"}


def test_a_value_across_two_chunks_is_found_and_half_a_value_is_not() -> None:
    assert SEARCH.stream([b"x" * 100 + VALUE[:5], VALUE[5:]]) == {"key"}
    assert SEARCH.stream([b"x" * 100 + VALUE[:5], b" ", VALUE[5:]]) == set()


def archive(**files: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def test_a_value_in_a_layer_or_the_history_of_an_image_is_found() -> None:
    layer = archive(innocent=b"x" * 3_000_000, planted=b"export KEY=" + VALUE)
    for saved in (
        archive(layer=layer),
        archive(layer=gzip.compress(layer)),
        archive(config=b'{"history": [{"created_by": "ENV KEY=' + VALUE + b'"}]}'),
    ):
        (found,) = SEARCH.image(io.BytesIO(saved))
        assert found.startswith("key in ")
    assert SEARCH.image(io.BytesIO(archive(layer=gzip.compress(archive(innocent=b"x" * 3_000_000))))) == set()


def test_every_file_of_a_folder_gives_its_values(tmp_path: Path) -> None:
    credentials.make(
        tmp_path / "secrets",
        user="ada",
        webhook_url="https://hooks.example.com/services/0123456789abcdef",
        heartbeat_url="https://ping.example.com/fedcba9876543210",
    )
    (tmp_path / "secrets/rclone.conf").write_text("[away]\ntype = s3\nsecret_access_key = 0011223344556677\n")
    names = {path.name for path in (tmp_path / "secrets").iterdir() if path.stat().st_size}
    found = secrets_of(tmp_path / "secrets")
    assert {secret.name.partition(",")[0] for secret in found} == names
    values = {secret.value for secret in found}
    assert {b"0123456789abcdef", b"fedcba9876543210", b"0011223344556677"} <= values
    key = (tmp_path / "secrets/client_key").read_bytes().strip()
    digest = (tmp_path / "secrets/api_keys").read_bytes().split(b":")[2].strip()
    assert {key, digest} <= values


def test_a_password_is_found_in_a_basic_authorization(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct-horse-battery\n")
    search = Search(secrets_of(tmp_path))
    for user in (b"a", b"ad", b"adm"):
        header = b"Authorization: Basic " + base64.b64encode(user + b":correct-horse-battery")
        assert search.stream([header]) == {"password, as base64"}


def test_what_is_too_short_to_be_searched_for_is_said(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("dev-key\n")
    with pytest.raises(ValueError, match="password is too short"):
        secrets_of(tmp_path)
