"""The pages' commands are run, and what the pages print is what comes."""

import os
import shutil
from pathlib import Path

import pytest

from tests.processes.conftest import StartService
from tests.processes.examples import Player, examples

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not shutil.which("curl") and not os.environ.get("CI"), reason="the pages' commands need curl")
@pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
def test_every_command_of_the_page_gives_the_answer_printed(start_service: StartService, name: str) -> None:
    player = Player(start_service().url)
    found = list(examples((ROOT / name).read_text()))
    assert found
    for example in found:
        answer = player.answer(example)
        assert player.same(example.printed, answer), f"{example.command}\n\n{answer}\n\nis not\n\n{example.printed}"


def test_every_route_has_an_example() -> None:
    page = (ROOT / "docs/api.md").read_text()
    commands = " ".join(example.command for example in examples(page))
    for part in ("/jobs ", "/jobs/$JOB ", "/cancel ", "/redrive ", "/events ", "/healthz", "/readyz", "/metrics"):
        assert part in commands, part


@pytest.mark.parametrize(
    ("printed", "answer", "same"),
    [
        ("a … c", "a b c", True),
        ("a", "b", False),
        ("x-processed-time: 0.1", "x-processed-time: 22.75", True),
        ('{"next":"MTI"}', '{"next":"MTM"}', True),
        ('{"next":"MTI"}', '{"next":null}', False),
        (f"{'0' * 8}-0000-0000-0000-{'0' * 12}", f"{'1' * 8}-0000-0000-0000-{'0' * 12}", True),
        (
            f"{'0' * 8}-0000-0000-0000-{'0' * 12} " * 2,
            "".join(f"{n * 8}-0000-0000-0000-{'0' * 12} " for n in "12"),
            False,
        ),
    ],
)
def test_what_varies_must_have_its_form_and_the_rest_its_text(printed: str, answer: str, same: bool) -> None:
    assert Player("").same(printed, answer) is same
