"""Runs `tests.store.child` in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Child:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def line(self) -> str:
        """Its next line; empty when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        """What a child that waits on its stdin waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def rest(self) -> list[str]:
        """All further lines, once it has ended well."""
        output, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return output.splitlines()


@contextmanager
def child(command: str, database: Path, *arguments: object) -> Iterator[Child]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.child", command, str(database), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        with process:
            yield Child(process)
            process.kill()
    finally:
        process.kill()
