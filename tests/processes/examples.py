"""The examples of a page: each command in a `console` block, run for real, and its answer beside the one printed.

What differs from run to run (ids, times, durations) must only have the same form, and an id must be the same wherever
the page repeats it; `…` stands for anything. `python -m tests.processes.examples PAGE` brings the answers of a page up
to date.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.processes.running import RunningService

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
ASSIGNMENT = re.compile(r"[A-Z]+=\S+")
ADDRESS = "localhost:8000"

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VARIES = {
    "id": UUID,
    "hex": r"[0-9a-f]{32}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z",
    "date": r"(?<=date: ).*?GMT",
    "cursor": r"(?<=cursor=)[\w-]+|(?<=\"next\":\")[\w-]+",
    "seconds": r"(?<=x-processed-time: )\d+\.\d+",
    "size": r"(?<=content-length: )\d+",
    "any": "…",
}
TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in VARIES.items()))


@dataclass(frozen=True)
class Example:
    command: str
    printed: str
    at: int  # where the command stands in the page
    start: int  # where the printed answer does
    end: int


def examples(page: str) -> Iterator[Example]:
    for block in BLOCK.finditer(page):
        commands = list(COMMAND.finditer(block[1]))
        ends = [command.start() for command in commands[1:]] + [len(block[1])]
        for command, end in zip(commands, ends, strict=True):
            start = block.start(1) + command.end()
            at = block.start(1) + command.start(1)
            yield Example(command[1], block[1][command.end() : end], at, start, block.start(1) + end)


class Player:
    """Runs examples one after another against one service."""

    def __init__(self, url: str) -> None:
        self._address = url.removeprefix("http://")
        self._set: list[str] = []  # the page's variables so far
        self._ids: dict[str, str] = {}  # those of the page, and what they are here

    def answer(self, example: Example) -> str:
        command = TOKEN.sub(lambda found: self._ids.get(found[0], found[0]), example.command)
        command = command.replace(ADDRESS, self._address)
        if ASSIGNMENT.fullmatch(command):
            self._set.append(command)
            return ""
        script = "\n".join((*self._set, "set -o pipefail", command))
        run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=120)
        assert run.returncode == 0, f"{command}\n{run.stderr}"
        text = run.stdout.replace("\r\n", "\n").replace(self._address, ADDRESS)
        return text if text.endswith("\n") else f"{text}\n"

    def knows(self, text: str) -> bool:
        """Whether the page has shown the ids in the text before."""
        return all(name in self._ids for name in re.findall(UUID, text))

    def same(self, printed: str, answer: str) -> bool:
        """Whether they agree; if so, the ids of the page are known from now on."""
        pattern, at, names = "", 0, []
        for token in TOKEN.finditer(printed):
            name = str(token.lastgroup)
            pattern += re.escape(printed[at : token.start()]) + (".*?" if name == "any" else f"({VARIES[name]})")
            names += [] if name == "any" else [token[0]]
            at = token.end()
        found = re.fullmatch(pattern + re.escape(printed[at:]), answer, re.DOTALL)
        if found is None:
            return False
        here = zip(names, found.groups(), strict=True)
        ids = ((name, value) for name, value in here if re.fullmatch(UUID, name))
        return all(self._ids.setdefault(name, value) == value for name, value in ids)


def renewed(page: str, url: str) -> str:
    """The page with the answers of now, where the printed ones no longer agree."""
    player, text, at, answer = Player(url), "", 0, ""
    for example in examples(page):
        if re.fullmatch(f"[A-Z]+={UUID}", example.command) and not player.knows(example.command):
            command = re.sub(UUID, re.findall(UUID, answer)[0], example.command)  # the id of the answer above
            example = replace(example, command=command)
        answer = player.answer(example) or answer
        agrees = player.same(example.printed, answer)
        if not agrees:
            player.same(answer, answer)
        printed = example.printed if agrees or ASSIGNMENT.fullmatch(example.command) else answer
        text += f"{page[at : example.at]}{example.command}\n{printed}"
        at = example.end
    return text + page[at:]


def main(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        service = RunningService(Path(folder)).start()
        try:
            path.write_text(renewed(path.read_text(), service.url))
        finally:
            service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
