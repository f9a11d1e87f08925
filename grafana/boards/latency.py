"""Latency panels: quantiles of histograms, with exemplars where the histogram has them, and the objective as a line."""

from grafana.boards.colour import QUANTILES, RED
from grafana.boards.panel import Query, Series, Step
from grafana.boards.promql import quantile, quantile_by

DOTS = " A dot is one traced request: click it for its trace."
SHARES = (0.5, 0.95, 0.99)


def latency(
    title: str,
    metric: str,
    description: str,
    *,
    by: tuple[str, str] | None = None,  # a label, and its ordinary value
    where: str = "",
    limit: float | None = None,  # seconds: the objective's threshold
    width: int = 8,
) -> Series:
    """The median and the tail of all; `by` a label, the tail of each of its values."""
    dots = _has_exemplars(metric)
    if by:
        queries = [Query(quantile_by(0.99, metric, where, *by), f"{{{{{by[0]}}}}}", dots)]
    else:
        # One query brings the dots of all buckets.
        queries = [Query(quantile(q, metric, where), f"p{q * 100:g}", dots and q == SHARES[-1]) for q in SHARES]
    return Series(
        title=title,
        unit="s",
        description=f"{description} 0 while nothing happens.{DOTS if dots else ''}",
        queries=queries,
        width=width,
        steps=[Step(limit, RED)] if limit else [],
        soft_maximum=limit and round(limit * 1.1, 10),
        colours={} if by else QUANTILES,
    )


def _has_exemplars(metric: str) -> bool:
    """What a request or a job leaves: a commit has many of them, and the proxy writes none."""
    return metric.startswith(("http_request_duration", "job_"))
