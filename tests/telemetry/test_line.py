"""What a log line looks like, whoever writes it and whatever it is given."""

import asyncio
import datetime
import logging
import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.telemetry import plain
from service.telemetry.line import compose, to_json
from service.telemetry.logging import configure_logging, get_logger
from tests.telemetry.conftest import ReadLines
from tests.telemetry.making import make_telemetry


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Broken(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


def test_a_line_has_its_fixed_fields_and_its_facts(read_lines: ReadLines) -> None:
    get_logger().info("cup_filled", size=3, full=True)
    (line,) = read_lines()
    assert line.pop("pid") > 0
    assert line.pop("source").startswith("tests/telemetry/test_line.py:test_a_line_has_its_fixed_fields_and_its_facts:")
    assert datetime.datetime.fromisoformat(line.pop("timestamp")).utcoffset() == datetime.timedelta(0)
    assert line == {"level": "info", "message": "cup_filled", "size": 3, "full": True}


def test_an_event_names_its_caller_as_source(read_lines: ReadLines) -> None:
    telemetry = make_telemetry()
    telemetry.jobs.event("cup_filled")
    telemetry.store.event("cup_filled")
    telemetry.event("cup_filled")
    expected = "tests/telemetry/test_line.py:test_an_event_names_its_caller_as_source:"
    assert [line["source"].startswith(expected) for line in read_lines()] == [True, True, True]


def test_an_exception_given_as_error_comes_with_its_traceback(read_lines: ReadLines) -> None:
    make_telemetry().event("cup_dropped", logging.ERROR, error=ValueError("slippery"))
    (line,) = read_lines()
    assert (line["level"], line["error"]) == ("error", "ValueError: slippery")
    assert line["exception"] == "ValueError: slippery\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Unprintable(), "<unprintable Unprintable>"),
        (Broken(), '"<unprintable Broken>"'),
        ({3}, "[3]"),
        (Path("/tmp/x"), "/tmp/x"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (b"\xff!", "\\xff!"),
        (2**70, str(2**70)),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("a\udcffb", "a\\udcffb"),
        ({1: {"password": "x"}}, '{"1":{"password":"[redacted]"}}'),
        (logging.INFO, 20),
        (None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_becomes_json(read_lines: ReadLines, value: Any, shown: Any) -> None:
    get_logger().info("value_seen", value=value)
    (line,) = read_lines()
    assert line["value"] == shown


def test_only_detail_keeps_its_structure(read_lines: ReadLines) -> None:
    nested = {"errors": [{"field": ("body", 1)}], 2: {"token": "x"}, "bad": Unprintable()}
    get_logger().info("value_seen", detail=nested, other={"a": [1]})
    (line,) = read_lines()
    assert line["detail"] == {
        "errors": [{"field": ["body", 1]}],
        "2": {"token": "[redacted]"},
        "bad": "<unprintable Unprintable>",
    }
    assert line["other"] == '{"a":[1]}'


def test_long_values_are_cut_and_a_line_stays_bounded(read_lines: ReadLines) -> None:
    many = {f"fact_{number}": "x" * 100_000 for number in range(1000)}
    get_logger().info("much_said", detail=["y" * 5000] * 1000, **many)
    (line,) = read_lines()
    assert len(line) <= plain.FIELDS_LIMIT + 3
    assert max(len(value) for name, value in line.items() if name.startswith("fact_")) < plain.TEXT_LIMIT + 100
    assert len(line["detail"]) < plain.LONG_LIMIT + 100


def test_a_long_traceback_keeps_its_beginning_and_its_end(read_lines: ReadLines) -> None:
    try:
        raise ValueError("first" + "x" * 100_000 + "last")
    except ValueError:
        get_logger().exception("cup_dropped")
    (line,) = read_lines()
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert line["exception"].endswith("last\n")
    assert len(line["exception"]) < plain.LONG_LIMIT + 100


def test_no_secrets_by_name_or_in_a_traceback(read_lines: ReadLines) -> None:
    try:
        raise ValueError("sent Authorization: Bearer dev-key-123")
    except ValueError:
        get_logger().exception("cup_dropped", authorization="x", Cookie="x", api_key="x", db_password="x", detail="ok")
    (line,) = read_lines()
    assert {line[name] for name in ("authorization", "Cookie", "api_key", "db_password")} == {"[redacted]"}
    assert "dev-key-123" not in line["exception"]


def test_no_api_key_wherever_it_stands(read_lines: ReadLines) -> None:
    key = f"jobskey_{'a-_Z9' * 8}"
    get_logger().info("cup_dropped", detail=[{"loc": ["body", key]}, {key: f"%{key}%"}], path=f"/{key}", cup={key: 1})
    logging.getLogger("others").warning("%s", key)
    lines = read_lines()
    assert len(lines) == 2
    assert "a-_Z9" not in str(lines)
    assert lines[0]["path"] == "/[redacted]"


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(exclude_categories=()))
        | st.binary(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), inner)
        ),
    )
)
def test_whatever_is_logged_is_one_line_of_json(value: Any) -> None:
    line = to_json(compose("info", "value_seen", "here", {"value": value, "detail": value}), None)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


def test_third_party_lines_have_the_same_shape(read_lines: ReadLines) -> None:
    configure_logging("json")  # pytest has added handlers of its own, which do not survive the second line
    logging.getLogger("sqlalchemy.pool").warning("pool of %d is full", 5)
    logging.getLogger("lib").warning("does not fit %d", "x")
    first, second = read_lines()
    assert (first["message"], first["level"], first["logger"]) == ("pool of 5 is full", "warning", "sqlalchemy.pool")
    assert first["source"].startswith("tests/telemetry/test_line.py:test_third_party_lines_have_the_same_shape:")
    assert second["message"] == "does not fit %d"
    assert set(first) == {"timestamp", "level", "message", "source", "logger", "pid"}


def test_a_warning_is_a_line_with_its_place(read_lines: ReadLines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("json")  # pytest has put its own hook in place
        warnings.warn("old cup", DeprecationWarning, stacklevel=1)
    (line,) = read_lines()
    assert (line["level"], line["message"], line["category"]) == ("warning", "old cup", "DeprecationWarning")
    assert line["source"].startswith("tests/telemetry/test_line.py:test_a_warning_is_a_line_with_its_place:")


def test_a_crashed_thread_is_a_line(read_lines: ReadLines) -> None:
    thread = threading.Thread(target=lambda: 1 // 0, name="cup-filler")
    thread.start()
    thread.join()
    (line,) = read_lines()
    assert (line["message"], line["thread"]) == ("thread_crashed", "cup-filler")
    assert "ZeroDivisionError" in line["exception"]
    assert line["source"].startswith("tests/telemetry/test_line.py:<lambda>:")


async def test_what_uvicorn_repeats_about_a_finished_request_is_dropped(read_lines: ReadLines) -> None:
    log = logging.getLogger("uvicorn.error")
    log.error("ASGI callable returned without completing response.")
    log.error("Exception in ASGI application\n", exc_info=asyncio.CancelledError())
    log.error("Exception in ASGI application\n", exc_info=ValueError("news"))
    (line,) = read_lines()
    assert line["exception"] == "ValueError: news\n"


def test_chatty_libraries_are_quiet(read_lines: ReadLines) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://example.com/?token=x")
    logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").error("Failed to export")
    assert read_lines() == []
