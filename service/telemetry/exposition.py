"""The answer to a scrape, from the registries of all workers: text or OpenMetrics, as `Accept` asks.

Written by hand rather than by prometheus_client's `generate_latest`, which takes ten times as long for four workers:
here each worker writes the labels and values of its samples once, and the one asked only puts the lines together.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Sample

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """A metric with its samples; plain data, so that it travels as JSON."""

    name: str  # of a counter: without `_total`
    kind: str  # counter, gauge, histogram
    help: str
    samples: list[tuple[str, str, str, str]]  # name, labels without braces, value, exemplar


def snapshot(registry: CollectorRegistry) -> list[Family]:
    return [_family(metric) for metric in registry.collect()]


def merged(by_worker: Mapping[str, Iterable[Family]]) -> list[Family]:
    """One family per name, each sample with the label `worker` in front."""
    families: dict[str, Family] = {}
    for worker, of_worker in sorted(by_worker.items()):
        mark = f'worker="{worker}"'
        for name, kind, help_, samples in of_worker:
            family = families.setdefault(name, Family(name, kind, help_, []))
            family.samples.extend(
                (sample, f"{mark},{labels}" if labels else mark, value, exemplar)
                for sample, labels, value, exemplar in samples
            )
    return list(families.values())


def gauge(name: str, help_: str, samples: Mapping[str, float]) -> Family:
    """`samples`: value by labels, written as `state="queued"`."""
    return Family(name, "gauge", help_, [(name, labels, number(value), "") for labels, value in samples.items()])


def render(families: Iterable[Family], content_type: str) -> bytes:
    openmetrics = content_type == OPENMETRICS
    lines: list[str] = []
    for name, kind, help_, samples in families:
        # The text format names a counter with `_total`, OpenMetrics without.
        shown = f"{name}_total" if kind == "counter" and not openmetrics else name
        lines.append(f"# HELP {shown} {_escape(help_) if openmetrics else help_}\n# TYPE {shown} {kind}\n")
        for sample, labels, value, exemplar in samples:
            braces = f"{{{labels}}}" if labels else ""
            lines.append(f"{sample}{braces} {value}{exemplar if openmetrics else ''}\n")
    if openmetrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def negotiate(accept: str) -> str:
    """The content type: OpenMetrics only where it is asked for by name, and not ranked below text."""
    best, chosen = 0.0, TEXT
    for entry in accept.split(","):
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        options = dict(parameter.partition("=")[::2] for parameter in parameters)
        offered = _offer(media, options)
        quality = _quality(options.get("q", "1"))
        if offered is not None and quality > best:
            best, chosen = quality, offered
    return chosen


def _offer(media: str, options: Mapping[str, str]) -> str | None:
    if media == "application/openmetrics-text":
        return OPENMETRICS if options.get("version", "1.0.0") in {"1.0.0", "0.0.1"} else None
    return TEXT if media in {"text/plain", "text/*", "*/*"} else None


def _quality(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return 0.0


def number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _family(metric: Metric) -> Family:
    # `_created` samples are dropped: Prometheus stores them as one more series each, and nobody asks for them.
    samples = [_sample(sample) for sample in metric.samples if not sample.name.endswith("_created")]
    return Family(metric.name, metric.type, metric.documentation, samples)


def _sample(sample: Sample) -> tuple[str, str, str, str]:
    exemplar = _exemplar(sample.exemplar) if sample.exemplar else ""
    return sample.name, _labels(sample.labels), number(sample.value), exemplar


def _exemplar(exemplar: Exemplar) -> str:
    return f" # {{{_labels(exemplar.labels)}}} {number(exemplar.value)} {exemplar.timestamp}"


def _labels(labels: Mapping[str, Any]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
