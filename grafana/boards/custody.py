"""Where the jobs are, and whether one of them is stuck or was lost on the way."""

from collections.abc import Sequence

from grafana.boards.colour import BLUE, PURPLE, RED, STATES
from grafana.boards.panel import Query, Series
from grafana.boards.promql import increase


def states() -> Sequence[Series]:
    return [
        Series(
            title="Jobs by state",
            unit="short",
            description="Jobs in the database that are not over. Queued ones drain after a peak.",
            queries=[Query('max by (state) (jobs{state=~"queued|running"})', "{{state}}")],
            colours=STATES,
        ),
        Series(
            title="Ended jobs kept",
            unit="short",
            description="Jobs that are over and still in the database: retention deletes them. It grows with the"
            " flow, then stays.",
            queries=[Query('max by (state) (jobs{state!~"queued|running"})', "{{state}}")],
            colours=STATES,
        ),
        Series(
            title="Slots",
            unit="short",
            description="Places for running jobs, of all workers. None free for long: raise SERVICE_JOB_CONCURRENCY,"
            " if CPU is left.",
            queries=[Query("sum by (state) (job_slots)", "{{state}}")],
            stacked=True,
            colours=STATES,
        ),
    ]


def lost() -> Sequence[Series]:
    return [
        Series(
            title="Oldest jobs",
            unit="s",
            description="The first in the queue and the longest running one. A straight line upwards is a job that"
            " does not move: JobsWaiting.",
            queries=[
                Query("max(jobs_oldest_runnable_age_seconds)", "runnable"),
                Query("max(jobs_oldest_running_age_seconds)", "running"),
            ],
            colours={"runnable": BLUE, **STATES},
        ),
        Series(
            title="Lease overdue",
            unit="s",
            description="How long a lease has been over without anybody taking its job. A tooth is a crash that was"
            " healed; a slope means that nobody claims: LeasesOverdue.",
            queries=[Query("max(jobs_lease_overdue_seconds)", "overdue")],
            colours={"overdue": RED},
        ),
        Series(
            title="Leases expired, ends fenced",
            unit="short",
            description="Attempts whose worker vanished, and ends that were refused because the lease was lost."
            " Anything but 0 is a crash or a worker that could not renew: see its log.",
            queries=[
                Query(increase("job_leases_expired_total"), "lease expired"),
                Query(increase("job_finishes_fenced_total"), "end fenced"),
            ],
            colours={"lease expired": RED, "end fenced": PURPLE},
        ),
    ]
