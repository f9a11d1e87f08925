"""The dashboard of everything around the service: is what watches it and leads to it well itself?"""

from grafana.boards.backups import backups
from grafana.boards.board import ALERTS, FIRING, Board, Row
from grafana.boards.colour import GREEN, GREY, RED
from grafana.boards.page import read_on
from grafana.boards.panel import Query, Series, Stat, Step
from grafana.boards.promql import or_none
from grafana.boards.watching import alertmanager, jaeger, prometheus
from grafana.boards.way import caddy, host, programs


def board() -> Board:
    return Board(
        uid="jobs-service-stack",
        title="Stack",
        description="The proxy, what watches the service, and the machine.",
        rows=[
            Row("Now", [_now()]),
            Row("Targets and alerts", [_targets()]),
            Row("Caddy: the way to the service", [caddy()]),
            Row("Backups", [backups()]),
            Row("Prometheus", [prometheus()]),
            Row("Alertmanager and Jaeger", [[*alertmanager(), *jaeger()]]),
            Row("The machine", [host(), programs()]),
            read_on(),
        ],
    )


def _now() -> list[Stat]:
    return [
        _bad("Targets down", "sum(1 - up)", "Containers that do not answer Prometheus: TargetDown says which."),
        _bad(
            "Firing alerts",
            f"count({FIRING}) or vector(0)",
            "Alerts that fire now, without the Watchdog, which always does. docs/runbook.md has a heading for each.",
        ),
        _bad(
            "Upstreams unhealthy",
            "sum(1 - caddy_reverse_proxy_upstreams_healthy{upstream!~'service-next:.*'})",
            "What Caddy finds unhealthy. The service's 0 lasts seconds at a restart; longer, every request waits.",
        ),
        _bad(
            "Rules failed, 1 h",
            "round(sum(increase(prometheus_rule_evaluation_failures_total[1h])))",
            "Evaluations that failed: the alerts in them are blind, TelemetryBroken. Prometheus' /rules has the error.",
        ),
        _bad(
            "Alerts unsent, 1 h",
            "round(sum(increase(alertmanager_notifications_failed_total[1h]))"
            " + sum(increase(prometheus_notifications_errors_total[1h])))",
            "Alerts that did not reach a person, or Alertmanager: AlertsUndelivered. Its log names the receiver.",
        ),
        _bad(
            "Spans lost, 1 h",
            "round(sum(increase(trace_spans_lost_total[1h]))"
            " + (sum(increase(otelcol_exporter_send_failed_spans_total[1h])) or vector(0)))",
            "Spans that Jaeger did not take, or could not store: TelemetryBroken. Traces have holes.",
        ),
    ]


def _bad(title: str, expr: str, description: str) -> Stat:
    """A count of what should not be."""
    return Stat(
        title=title,
        unit="short",
        description=description,
        queries=[Query(expr, title)],
        width=4,
        steps=[Step(1, RED)],
        below=GREEN,
    )


def _targets() -> list[Series]:
    return [
        Series(
            title="Targets up",
            unit="short",
            description="1: the target answered its last scrape. TargetDown fires for a longer 0.",
            queries=[Query("min by (job) (up)", "{{job}}")],
            maximum=1,
        ),
        Series(
            title="Scrape duration",
            unit="s",
            description="How long each target takes to tell its metrics. `scrape_timeout` is the limit; the service"
            " gathers all its workers.",
            queries=[Query("max by (job) (scrape_duration_seconds)", "{{job}}")],
        ),
        Series(
            title="Alerts",
            unit="short",
            description="Alerts that fire or are about to, without the Watchdog. Each has a heading in"
            " docs/runbook.md.",
            queries=[Query(or_none(f"count by (alertname) ({ALERTS})", "alertname"), "{{alertname}}")],
            stacked=True,
            colours={"none": GREY},
        ),
    ]
