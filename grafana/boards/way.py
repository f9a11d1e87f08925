"""The way to the service, and what all of it runs on: Caddy, the machine, the programs."""

from collections.abc import Sequence

from grafana.boards.colour import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STATUSES
from grafana.boards.latency import latency
from grafana.boards.panel import Query, Series
from grafana.boards.promql import or_none, rate

DURATION = "caddy_http_request_duration_seconds"
CLIENTS = 'handler="subroute"'  # one for each request of a client; the rest are health checks and scrapes
CPU_COLOURS = {"user": BLUE, "system": ORANGE, "iowait": RED, "steal": PURPLE, "other": GREY}


def caddy() -> Sequence[Series]:
    return [
        Series(
            title="Requests at the proxy",
            unit="reqps",
            description="What clients really got, also while the service is away: a 502 or 503 here that the service"
            " does not have is an outage that it cannot see.",
            queries=[
                Query(or_none(rate("caddy_http_request_duration_seconds_count", CLIENTS, "code"), "code"), "{{code}}")
            ],
            stacked=True,
            colours=STATUSES,
        ),
        latency(
            "Duration at the proxy",
            DURATION,
            "Arrival to the last byte, with event streams and long polls. Above the service's own: the way or the"
            " client is slow, or requests wait for a restart.",
            where=CLIENTS,
        ),
        Series(
            title="Upstreams healthy",
            unit="short",
            description="1: Caddy sends requests there. The service is 0 for seconds at a restart, and Caddy holds"
            " its requests until it is back. service-next is 1 during an upgrade only.",
            queries=[Query("min by (upstream) (caddy_reverse_proxy_upstreams_healthy)", "{{upstream}}")],
            maximum=1,
        ),
    ]


def host() -> Sequence[Series]:
    cores = 'count(node_cpu_seconds_total{mode="idle"})'
    return [
        Series(
            title="CPU of the machine",
            unit="percentunit",
            description="Share of all cores by what they do. steal: another machine has them. iowait: the disk is"
            " slow.",
            queries=[
                Query(f"{rate('node_cpu_seconds_total', _modes(mode))} / {cores}", mode.split("|")[0])
                for mode in ("user|nice", "system", "iowait", "steal")
            ],
            width=6,
            stacked=True,
            maximum=1,
            colours=CPU_COLOURS,
        ),
        Series(
            title="Memory of the machine",
            unit="bytes",
            description="What programs can still get, of all there is. Near 0 the kernel ends one of them.",
            queries=[
                Query("min(node_memory_MemAvailable_bytes)", "available"),
                Query("max(node_memory_MemTotal_bytes)", "all"),
            ],
            width=6,
            colours={"available": GREEN, "all": GREY},
        ),
        Series(
            title="Load of the machine",
            unit="short",
            description="Processes that run or want to, beside the cores there are. Above them for long, everything"
            " waits.",
            queries=[
                Query("max(node_load1)", "1 minute"),
                Query("max(node_load15)", "15 minutes"),
                Query(cores, "cores"),
            ],
            width=6,
            colours={"1 minute": BLUE, "15 minutes": PURPLE, "cores": GREY},
        ),
        Series(
            title="Disk of the machine",
            unit="Bps",
            description="Bytes a second, all disks. Each commit is written and flushed; the database's own time is"
            " `Commit duration` on the first dashboard.",
            queries=[
                Query(rate("node_disk_read_bytes_total"), "read"),
                Query(rate("node_disk_written_bytes_total"), "written"),
            ],
            width=6,
            colours={"read": GREEN, "written": BLUE},
        ),
    ]


def programs() -> Sequence[Series]:
    jaeger = 'label_replace(otelcol_process_memory_rss_bytes, "job", "jaeger", "", "")'
    return [
        Series(
            title="Memory by program",
            unit="bytes",
            description="Resident memory; of the service, all workers together. Compare with `mem_limit` in"
            " compose.yaml: above it, the kernel ends the program.",
            queries=[Query(f"sum by (job) (process_resident_memory_bytes or {jaeger})", "{{job}}")],
            width=12,
        ),
        Series(
            title="CPU by program",
            unit="suffix:cores",
            description="Cores in use; of the service, all workers together.",
            queries=[
                Query(rate("process_cpu_seconds_total", by="job"), "{{job}}"),
                Query(rate("otelcol_process_cpu_seconds_total"), "jaeger"),
            ],
            width=12,
        ),
    ]


def _modes(mode: str) -> str:
    return f'mode=~"{mode}"'
