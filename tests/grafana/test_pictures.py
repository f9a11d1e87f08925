"""The pictures: what Prometheus is asked, how numbers are written, and what is said when there is nothing to draw."""

import math
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from grafana.pictures.range import Line, Range, Unavailable, answers
from grafana.pictures.unit import written
from tests.grafana.conftest import Json

SPAN = Range(start=0, end=60, step=15)
PANEL = {"id": 7, "title": "Panel", "targets": [{"expr": "a", "legendFormat": "{{x}} {{y}}"}]}
BOARD = {"title": "Board", "panels": [PANEL]}


def prometheus(*series: Json, asked: list[str] | None = None) -> httpx.Client:
    """Answers every question with these."""

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(parse_qs(request.content.decode())["query"][0])
        return httpx.Response(200, json={"data": {"result": series}})

    return httpx.Client(base_url="http://prometheus", transport=httpx.MockTransport(answer))


def test_a_line_has_a_value_for_each_moment_and_nan_where_prometheus_has_none() -> None:
    series = {"metric": {"x": "one"}, "values": [[0, "1"], [30, "2.5"], [45, "NaN"]]}
    [line] = answers(BOARD, prometheus(series), SPAN)[7]
    assert line.legend == "one y"
    assert line.last == 2.5
    assert [value for value in line.values if not math.isnan(value)] == [1, 2.5]
    assert len(line.values) == len(SPAN.times) == 5


def test_the_macros_of_grafana_are_expanded_before_asking() -> None:
    asked: list[str] = []
    panel = {"id": 1, "title": "Rates", "targets": [{"expr": "rate(a[$__rate_interval])", "legendFormat": "a"}]}
    answers({"title": "B", "panels": [panel]}, prometheus({"metric": {}, "values": [[0, "1"]]}, asked=asked), SPAN)
    assert asked == ["rate(a[60s])"]
    assert Range(0, 86400, 360).expanded("rate(a[$__rate_interval])") == "rate(a[375s])"


@pytest.mark.parametrize("series", [[], [{"metric": {}, "values": [[0, "NaN"]]}]], ids=["no series", "only NaN"])
def test_a_panel_without_data_is_named_with_what_to_do(series: list[Json]) -> None:
    with pytest.raises(Unavailable, match=r"no data for Panel\.\n.*make up"):
        answers(BOARD, prometheus(*series), SPAN)


def test_a_prometheus_that_does_not_answer_is_named_with_what_to_do() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    away = httpx.Client(base_url="http://prometheus:9", transport=httpx.MockTransport(refuse))
    with pytest.raises(Unavailable, match=r"does not answer at http://prometheus:9 .*make up.*PROMETHEUS_URL"):
        answers(BOARD, away, SPAN)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("s", 0.0123, "12.3 ms"),
        ("s", 0, "0 s"),
        ("s", 90, "1.5 min"),
        ("bytes", 1536 * 1024, "1.5 MiB"),
        ("Bps", 2500, "2.5 kB/s"),
        ("percentunit", 0.999, "99.9%"),
        ("reqps", 2100, "2.1K req/s"),
        ("short", 26_100, "26.1 K"),
        ("short", 100, "100"),
        ("suffix:x", 14.4, "14.4 x"),
    ],
)
def test_numbers_are_written_in_the_unit_that_reads_best(unit: str, value: float, text: str) -> None:
    assert written(unit, value) == text


def test_a_dashboard_is_drawn_into_a_small_file(boards: dict[str, Json], tmp_path: Path) -> None:
    """The one that has every type of panel."""
    pytest.importorskip("matplotlib")
    from grafana.pictures.card import Colours
    from grafana.pictures.sheet import draw

    lines = [Line("sleep", [0, math.nan, 1, 2, 3]), Line("p99", [0.0, 0, 0, 0, 0])]
    found = {panel["id"]: lines for panel in boards["service"]["panels"] if "targets" in panel}
    draw(boards["service"], found, SPAN, tmp_path / "service.png", Colours())
    picture = (tmp_path / "service.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 400_000
