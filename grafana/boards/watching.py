"""Who watches the watchers: Prometheus, Alertmanager and Jaeger."""

from collections.abc import Sequence

from grafana.boards.colour import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from grafana.boards.panel import Query, Series
from grafana.boards.promql import increase, or_zero, rate


def prometheus() -> Sequence[Series]:
    return [
        Series(
            title="Series",
            unit="short",
            description="Series in memory. A climb without a release is a label with too many values; it ends in the"
            " container's memory limit.",
            queries=[Query("max(prometheus_tsdb_head_series)", "series")],
            width=6,
            colours={"series": BLUE},
        ),
        Series(
            title="Samples stored",
            unit="suffix:/s",
            description="Samples a second. A drop: something is not scraped any more, see the targets.",
            queries=[Query(rate("prometheus_tsdb_head_samples_appended_total"), "samples")],
            width=6,
            colours={"samples": BLUE},
        ),
        Series(
            title="Rule evaluation",
            unit="s",
            description="Time for the groups of rules. Near the evaluation interval, alerts come late.",
            queries=[
                Query("max(prometheus_rule_group_last_duration_seconds)", "slowest group"),
                Query("sum(prometheus_rule_group_last_duration_seconds)", "all groups"),
            ],
            width=6,
            colours={"slowest group": ORANGE, "all groups": BLUE},
        ),
        Series(
            title="Failures",
            unit="short",
            description="Rules that could not be evaluated, scrapes that were refused, alerts that Alertmanager did"
            " not take. Anything but 0: TelemetryBroken, AlertsUndelivered, and Prometheus' log.",
            queries=[
                Query(increase("prometheus_rule_evaluation_failures_total"), "rules"),
                Query(increase("prometheus_target_scrapes_sample_out_of_order_total"), "samples out of order"),
                Query(increase("prometheus_notifications_errors_total"), "notifications"),
            ],
            width=6,
            colours={"rules": RED, "samples out of order": ORANGE, "notifications": PURPLE},
        ),
    ]


def alertmanager() -> Sequence[Series]:
    return [
        Series(
            title="Alerts in Alertmanager",
            unit="short",
            description="Active ones are told to someone; suppressed ones are silenced, or a worse one speaks for"
            " them.",
            queries=[Query("max by (state) (alertmanager_alerts)", "{{state}}")],
            width=6,
            colours={"active": RED, "suppressed": GREY, "unprocessed": ORANGE},
        ),
        Series(
            title="Notifications",
            unit="short",
            description="Sent to people, and failed. A failed one is repeated; failing for long, nobody hears of an"
            " alert.",
            queries=[
                Query(increase("alertmanager_notifications_total"), "sent"),
                Query(increase("alertmanager_notifications_failed_total"), "failed"),
            ],
            width=6,
            colours={"sent": GREEN, "failed": RED},
        ),
    ]


def jaeger() -> Sequence[Series]:
    return [
        Series(
            title="Spans",
            unit="suffix:/s",
            description="Spans that came in, and that were stored. Apart for long: the storage does not keep up. The"
            " service samples: SERVICE_TRACE_SAMPLE_RATIO.",
            queries=[
                Query(or_zero(rate("otelcol_receiver_accepted_spans_total")), "received"),
                Query(or_zero(rate("otelcol_exporter_sent_spans_total")), "stored"),
            ],
            width=6,
            colours={"received": BLUE, "stored": GREEN},
        ),
        Series(
            title="Spans lost",
            unit="short",
            description="Not sent: the service found no collector. Refused: the memory limiter keeps the process"
            " alive. Failed: malformed, or the storage did not take them. Anything but 0 is a hole in a trace:"
            " TelemetryBroken.",
            queries=[
                Query(increase("trace_spans_lost_total"), "not sent"),
                Query(or_zero(increase("otelcol_receiver_refused_spans_total")), "refused"),
                Query(or_zero(increase("otelcol_receiver_failed_spans_total")), "failed"),
                Query(or_zero(increase("otelcol_exporter_send_failed_spans_total")), "not stored"),
            ],
            width=6,
            colours={"not sent": BLUE, "refused": ORANGE, "failed": PURPLE, "not stored": RED},
        ),
    ]
