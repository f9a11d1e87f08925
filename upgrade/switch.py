"""The switch: the new version runs beside the old one, takes over, and moves into the old one's place.

At each moment at least one instance is healthy and known to Caddy, so wherever this ends, requests are answered. Run
again, it goes on from what it finds. An image that does not become healthy is refused before the old one is touched.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upgrade.stack import Failed, Instance, Stack

HEALTHY_SECONDS = 120.0
"""For a start: a container that never gets ready is unhealthy after a minute."""

SEEN_SECONDS = 30.0


def switch(stack: Stack) -> None:
    """Raises `Failed`, with what serves then."""
    image = stack.image_id(stack.image)
    old, following = stack.instance("service"), stack.instance("service-next")
    old_serves = bool(old and old.serves and not stack.is_stopping(old))  # an upgrade may have been broken off just now
    if not (old_serves or (following and following.serves)):
        raise Failed("No healthy instance serves, so there is nothing to switch from. Start one: make up")
    with _step(f"settings, secrets and schema, judged by {stack.image}"):
        try:
            stack.judge()
        except Failed as problem:
            raise _refused(stack, old, image, str(problem)) from None
    if old_serves and following:
        with _step("service-next, left behind by an earlier upgrade, goes"):
            stack.wait_until_seen("service", SEEN_SECONDS)
            stack.remove("service-next")
    if old_serves:
        _start_next(stack, old, image)
    else:
        with _step("Caddy sees service-next, which serves alone since an earlier upgrade"):
            stack.wait_until_seen("service-next", SEEN_SECONDS)
    _replace(stack)
    with _step("service-next ends its jobs and goes"):
        stack.remove("service-next")
    _renew_backup(stack)


@contextmanager
def alone(folder: Path, project: str) -> Iterator[None]:
    """Keeps a second upgrade of this project out. The kernel drops the lock of one that dies."""
    with (folder / f".upgrade.{project}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failed(f"Another upgrade of {project} is at work.") from None
        yield


def _start_next(stack: Stack, old: Instance | None, image: str) -> None:
    try:
        _start(stack, "service-next", "starts")
    except Failed as problem:
        lines = _last_lines(stack, "service-next")
        with _step("service-next goes"):
            stack.remove("service-next")
        raise _refused(stack, old, image, f"{problem}{lines}") from None
    if old and old.image != image and stack.image != _tagged(stack.image, "previous"):
        stack.tag(old.image, _tagged(stack.image, "previous"))


def _replace(stack: Stack) -> None:
    """Meanwhile service-next serves."""
    try:
        _start(stack, "service", "ends its jobs and starts again")
    except Failed as problem:
        lines = _last_lines(stack, "service")
        with _step("service goes"):
            stack.stop("service")
        raise Failed(
            f"{problem}{lines}\nservice-next serves meanwhile, with {stack.image}, and also after a reboot.\n"
            "Run this again once the cause is gone, or go back: make upgrade TAG=previous"
        ) from None


def _start(stack: Stack, name: str, how: str) -> None:
    """With the new image, until it takes requests. Raises `Failed`."""
    with _step(f"{name} {how} with {stack.image}"):
        stack.start(name)
        stack.wait_until_serving(name, HEALTHY_SECONDS)
    with _step(f"Caddy sees {name}"):
        stack.wait_until_seen(name, SEEN_SECONDS)


def _renew_backup(stack: Stack) -> None:
    """It holds the same code, and no client waits for it. An image that has none of its own leaves it as it is."""
    if not (stack.backup_image and stack.instance("backup") and stack.has(stack.backup_image)):
        return
    try:
        with _step(f"backup starts again with {stack.backup_image}"):
            stack.start("backup", anew=False)
    except Failed as problem:
        raise Failed(f"{problem}\nThe service is upgraded, and the backup is not.") from None


def _refused(stack: Stack, old: Instance | None, image: str, problem: str) -> Failed:
    """The name goes back to the image that serves: else the next `docker compose up` would start the refused one."""
    kept = ""
    if old and old.named == stack.image and old.image != image:
        stack.tag(image, _tagged(stack.image, "refused"))
        stack.tag(old.image, stack.image)
        kept = f" It is kept as {_tagged(stack.image, 'refused')}."
    return Failed(f"{problem}\n{stack.image} is refused; the version before goes on serving, untouched.{kept}")


def _tagged(image: str, tag: str) -> str:
    name, colon, rest = image.rpartition(":")
    return f"{name if colon and '/' not in rest else image}:{tag}"


def _last_lines(stack: Stack, service: str) -> str:
    found = stack.instance(service)
    lines = stack.last_lines(found) if found else ""
    return f"\nIts last lines:\n{lines}" if lines else ""


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"  {name} … ", end="", flush=True)
    try:
        yield
    except BaseException:
        print(f"no, after {time.monotonic() - started:.1f} s", flush=True)
        raise
    print(f"{time.monotonic() - started:.1f} s", flush=True)
