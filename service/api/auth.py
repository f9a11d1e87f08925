"""Who calls: API keys from a file, compared in constant time, read again when the file changes.

A line is `name:user_id:sha256hex` or `name:user_id:sha256hex:operator`; `#` starts a comment. Two names may share a
user while a key is rotated. Only hashes are stored: the keys have 256 random bits, so a fast hash is enough.

A changed file counts once it has been left alone for a second: one that is just being written may lack a key, which
would be refused although it stays. So a change counts within two seconds.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Scope

LINE = re.compile(r"(?P<name>[\w.-]{1,64}):(?P<user>[\w.@-]{1,64}):(?P<digest>[0-9a-f]{64})(?P<operator>:operator)?")
KEY_PREFIX = "jobskey_"  # so that a key is known for one wherever it turns up: logs leave it out, scanners find it
LOOK_SECONDS = 1.0
SETTLED_SECONDS = 1.0


Version = tuple[int, int, int, int]
"""What changes when a file does."""


@dataclass(frozen=True, slots=True)
class Caller:
    user_id: str
    operator: bool
    digest: bytes


def parse_keys(text: str) -> list[Caller]:
    """Raises `ValueError` that names each bad line by its number, never by its content."""
    callers, bad = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not (entry := line.partition("#")[0].strip()):
            continue
        if match := LINE.fullmatch(entry):
            callers.append(Caller(match["user"], bool(match["operator"]), bytes.fromhex(match["digest"])))
        else:
            bad.append(str(number))
    if bad:
        raise ValueError(f"line {', '.join(bad)}: not name:user_id:sha256hex[:operator]")
    if not callers:
        raise ValueError("holds no key; make one with: python -m service api-key NAME USER_ID")
    return callers


class KeyRing:
    """The keys of a file. A file that cannot be read or parsed leaves the last good keys in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._callers: list[Caller] = []
        self._read: Version | None = None
        self._looked: Version | None = None
        self._look_again = 0.0

    def caller(self, scope: Scope) -> Caller | None:
        """Who made this request, by its `Authorization: Bearer KEY`; None: nobody known."""
        value = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, key = value.partition(b" ")
        if scheme.lower() != b"bearer" or not key:
            return None
        self._refresh()
        digest = hashlib.sha256(key.strip()).digest()
        found = None
        for caller in self._callers:  # to the end, whatever matches: the time taken tells nothing
            if hmac.compare_digest(caller.digest, digest):
                found = caller
        return found

    def is_operator(self, scope: Scope) -> bool:
        caller = self.caller(scope)
        return caller is not None and caller.operator

    def _refresh(self) -> None:
        if time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + LOOK_SECONDS
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            # By its age, so that the first request after a quiet hour knows a new key; and by being the same as at the
            # last look, in case the clock was set back.
            settled = version == self._looked or time.time() - status.st_mtime >= SETTLED_SECONDS
            self._looked = version
            if version != self._read and (settled or not self._callers):
                self._callers = parse_keys(self._path.read_text())
                self._read = version
        except (OSError, ValueError):
            return


def new_key(name: str, user_id: str, *, operator: bool) -> tuple[str, str]:
    """A fresh key, and its line for the file."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode()).hexdigest()
    line = f"{name}:{user_id}:{digest}" + (":operator" if operator else "")
    parse_keys(line)
    return key, line
