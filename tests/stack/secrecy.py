"""Secret values, and a search for them by value in streams of any length: logs, answers, images.

What is searched for is never printed: a finding names the file of the secret, and where it was found.
"""

import base64
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

LEAST_LENGTH = 12  # what is shorter, or a plain word, stands somewhere by chance
CHUNK_BYTES = 1 << 20
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Secret:
    name: str  # of its file
    value: bytes


def secrets_of(folder: Path, *others: Path) -> list[Secret]:
    """Of every file: its lines, the hashes of keys, what follows the host of an address, what rclone.conf has. Each
    also as base64, as it stands in `Authorization: Basic`. Raises `ValueError` for one too short to be searched for."""
    found: dict[bytes, str] = {}
    for path in (*sorted(folder.iterdir()), *others):
        for text in path.read_text().splitlines() if path.suffix != ".md" else ():
            line = text.partition("#")[0].strip()
            for value in _values(path.name, line) if line else ():
                if len(value) < LEAST_LENGTH:
                    raise ValueError(f"a value in {path.name} is too short to be searched for")
                found[value.encode()] = path.name
                # Of the middle: how the ends are encoded depends on what stands beside them.
                for shift in range(3):
                    encoded = base64.b64encode(b"\0" * shift + value.encode())[4:-4]
                    found[encoded] = f"{path.name}, as base64"
    return [Secret(name, value) for value, name in found.items()]


def _values(name: str, line: str) -> Iterator[str]:
    if name == "api_keys":
        yield line.split(":")[2]
    elif name == "rclone.conf":
        key, mark, value = line.partition("=")
        if mark and any(part in key for part in ("pass", "secret", "token", "key")):
            yield value.strip()
    elif line.startswith(("http://", "https://")):
        parts = urlsplit(line)
        yield max((parts.password or "", parts.query, *parts.path.split("/")), key=len)
    else:
        yield line


class Search:
    """Remembers the end of each chunk: a value may lie across two."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._secrets = list(secrets)
        assert self._secrets, "nothing to search for"
        self._overlap = max(len(secret.value) for secret in self._secrets) - 1
        self._done: set[str] = set()  # layers that other images have too
        self.bytes_read = 0

    def stream(self, chunks: Iterable[bytes]) -> set[str]:
        """The names of the secrets that occur."""
        found, end = set(), b""
        for chunk in chunks:
            self.bytes_read += len(chunk)
            window = end + chunk
            found |= {secret.name for secret in self._secrets if secret.value in window}
            end = window[-self._overlap :]
        return found

    def image(self, saved: IO[bytes]) -> set[str]:
        """Of `docker save`, as it comes: the configuration with its history, and what every layer holds, also what a
        later one deletes."""
        found = set()
        with tarfile.open(fileobj=saved, mode="r|") as archive:
            for member in archive:
                by_content = "sha256/" in member.name  # its name is the hash of what it holds
                if member.name not in self._done and (content := archive.extractfile(member)) is not None:
                    self._done |= {member.name} if by_content else set()
                    found |= {f"{name} in {member.name}" for name in self.stream(_unpacked(content))}
        return found


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """A layer is a tar file, compressed or not."""
    pieces = chunks(file)
    first = next(pieces, b"")
    if not first.startswith(GZIP):
        yield from chain([first], pieces)
        return
    unzip = zlib.decompressobj(wbits=31)
    for piece in chain([first], pieces):
        rest = piece
        while rest:  # a small piece may become a huge one
            yield unzip.decompress(rest, CHUNK_BYTES)
            rest = unzip.unconsumed_tail
    yield unzip.flush()
