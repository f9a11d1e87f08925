"""The format for a person at a terminal."""

import logging
import re

import pytest

from service.telemetry.logging import configure_logging, get_logger
from tests.telemetry.making import make_telemetry

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def console(restored_logging: None) -> None:
    configure_logging("console", "DEBUG")


def test_lines_are_coloured_and_aligned(capfd: pytest.CaptureFixture[str]) -> None:
    get_logger().info("cup_filled", size=0.123456789)
    get_logger().warning("cup_cracked", where="the handle")
    written = capfd.readouterr().out
    lines = COLOUR.sub("", written).splitlines()
    assert len(COLOUR.findall(written)) > 10
    assert lines[0].index("size=0.123457") == lines[1].index("where='the handle'")
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} \[info    \] cup_filled ", lines[0])


def test_a_traceback_shows_the_code_around_its_frames_but_no_variables(capfd: pytest.CaptureFixture[str]) -> None:
    header = "Bearer dev-key-123"[::1]
    try:
        raise ValueError(f"cup of {len(header)}")  # this one
    except ValueError:
        get_logger().exception("cup_dropped")
    written = COLOUR.sub("", capfd.readouterr().out)
    assert "❱" in written
    assert "# this one" in written
    assert "header = " in written  # the line before: context
    assert "ValueError: cup of 18" in written
    assert "locals" not in written


def test_control_characters_do_not_reach_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    get_logger().info("cup\x07filled", user_agent="\x1b[31mred")
    logging.getLogger("lib").warning("\x1b]0;title\x07")
    written = COLOUR.sub("", capfd.readouterr().out)
    assert "\x1b" not in written
    assert "\x07" not in written


def test_stacks_given_as_text_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    make_telemetry().event("loop_stalled", exception="Thread main:\n  here")
    assert "Thread main:\n  here" in capfd.readouterr().out
