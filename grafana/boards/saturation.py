"""What runs out first: the queue, the slots, the disk."""

from collections.abc import Sequence

from grafana.boards.colour import BLUE, GREEN, PURPLE, QUANTILES, RED, STATES
from grafana.boards.latency import latency
from grafana.boards.panel import Query, Series
from grafana.boards.promql import increase, quantile, rate


def queue() -> Sequence[Series]:
    return [
        Series(
            title="Queue depth",
            unit="short",
            description="Jobs that wait, for a slot or for their next attempt. It drains after a peak; JobsWaiting"
            " fires when its oldest one waits for long.",
            queries=[Query('max(jobs{state="queued"})', "queued")],
            width=6,
            colours=STATES,
        ),
        Series(
            title="Slots",
            unit="short",
            description="Places for running jobs, of all workers. None free for long and a growing queue: raise"
            " SERVICE_JOB_CONCURRENCY, if CPU is left.",
            queries=[Query("sum by (state) (job_slots)", "{{state}}")],
            width=6,
            stacked=True,
            colours=STATES,
        ),
        latency(
            "Commit duration",
            "store_commit_seconds",
            "Write lock taken to commit durable: the disk. All submissions wait for it, in batches.",
            width=6,
        ),
        Series(
            title="Operations per commit",
            unit="short",
            description="What shared a commit. It grows with the load; that is the point. 0 while nothing happens.",
            queries=[Query(quantile(share, "store_commit_batch_size"), f"p{share * 100:g}") for share in (0.5, 0.99)],
            width=6,
            colours=QUANTILES,
        ),
    ]


def storage() -> Sequence[Series]:
    return [
        Series(
            title="Commits",
            unit="suffix:/s",
            description="Commits of all workers, and attempts that found the database held by another program:"
            " anything but 0 there is a foreign writer.",
            queries=[
                Query(rate("store_commit_seconds_count"), "commits"),
                Query(increase("store_busy_total"), "busy"),
            ],
            width=6,
            colours={"commits": BLUE, "busy": RED},
        ),
        Series(
            title="Database",
            unit="bytes",
            description="The database file, which old jobs leave after the retention time.",
            queries=[Query("max(database_size_bytes)", "database")],
            width=6,
            colours={"database": BLUE},
        ),
        Series(
            title="Write-ahead log",
            unit="bytes",
            description="It is written back and reused. When it does not shrink, a reader stays open: WalGrows.",
            queries=[Query("max(wal_size_bytes)", "log")],
            width=6,
            colours={"log": PURPLE},
        ),
        Series(
            title="Disk free",
            unit="bytes",
            description="On the disk of the database. At 0 every submission is a 503; DiskFillsUp and then"
            " DiskAlmostFull fire before.",
            queries=[Query("min(disk_free_bytes)", "free")],
            width=6,
            colours={"free": GREEN},
        ),
    ]
