"""The worker processes, a line each: what one of them runs out of, its own requests and jobs wait for."""

from collections.abc import Sequence

from grafana.boards.colour import WORKERS
from grafana.boards.panel import Query, Series
from grafana.boards.promql import rate

WORKER = "worker {{worker}}"


def processes() -> Sequence[Series]:
    return [
        Series(
            title="Event loop lag",
            unit="s",
            description="The longest delay of each worker's event loop in the last 15 s: all its requests and jobs"
            " waited as long. EventLoopSlow fires when it stays high.",
            queries=[Query("max by (worker) (event_loop_lag_seconds)", WORKER)],
            width=6,
            colours=WORKERS,
        ),
        Series(
            title="CPU",
            unit="suffix:cores",
            description="Cores that each worker uses, of 1 it can: Python runs one thread at a time. Near 1 on all of"
            " them, the service has reached what it can do.",
            queries=[Query(rate("process_cpu_seconds_total", 'job="service"', "worker"), WORKER)],
            width=6,
            colours=WORKERS,
        ),
        Series(
            title="Memory",
            unit="bytes",
            description="Resident memory of each worker. A slope that never ends is a leak.",
            queries=[Query('max by (worker) (process_resident_memory_bytes{job="service"})', WORKER)],
            width=6,
            colours=WORKERS,
        ),
        Series(
            title="Requests in flight",
            unit="short",
            description="Being answered now, open event streams and long polls included. Growth without more"
            " requests: something blocks. WorkerDown: a worker does not answer at all.",
            queries=[Query("max by (worker) (http_requests_in_flight)", WORKER)],
            width=6,
            colours=WORKERS,
        ),
    ]
