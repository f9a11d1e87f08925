"""A bench that judges wrongly is worse than none."""

import pytest

from bench.figures import Figure, Part, in_rounds, number, ratios
from bench.running import latency_ms


def test_a_goal_is_judged_by_the_median() -> None:
    assert Figure("rate", "1/s", [1, 5, 9], "≥ 5").met is True
    assert Figure("rate", "1/s", [1, 4.9, 9], "≥ 5").met is False
    assert Figure("wait", "ms", [1, 5, 9], "≤ 5").met is True
    assert Figure("wait", "ms", [1, 5.1, 9], "≤ 5").met is False
    assert Figure("wait", "ms", [1]).met is None


def test_a_missed_goal_stands_out_in_the_table() -> None:
    part = Part("p", "Title", "How.", [Figure("rate", "1/s", [4], "≥ 5"), Figure("other", "ms", [1])], {})
    assert "≥ 5: MISSED" in part.table()
    assert Part.from_json(part.as_json()) == part


def test_rounds_are_interleaved_and_ratios_stay_within_a_round() -> None:
    order: list[str] = []

    def subject(name: str) -> float:
        order.append(name)
        return len(order)

    found = in_rounds({"a": lambda: subject("a"), "b": lambda: subject("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert found == {"a": [1, 3], "b": [2, 4]}
    assert ratios(found["b"], found["a"]) == [2.0, pytest.approx(4 / 3)]


def test_a_number_has_the_digits_that_matter() -> None:
    assert [number(value) for value in (12345.6, 123.4, 12.34, 1.234)] == ["12,346", "123", "12.3", "1.23"]


def test_latencies_are_read_in_each_of_wrks_units() -> None:
    report = "  Latency Distribution\n     50%  812.00us\n     75%    2.50ms\n     99%    1.20s \n"
    assert [latency_ms(each, report) for each in ("50%", "75%", "99%")] == [0.812, 2.5, 1200.0]
    with pytest.raises(SystemExit):
        latency_ms("90%", report)
