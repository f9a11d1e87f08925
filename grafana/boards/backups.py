"""How old the newest backups are, and what their making costs."""

from collections.abc import Sequence

from grafana.boards.colour import BLUE, GREEN, ORANGE
from grafana.boards.panel import Query, Series
from grafana.boards.promql import increase


def backups() -> Sequence[Series]:
    return [
        Series(
            title="Age of the newest backup",
            unit="s",
            description="What would be lost if the disk, or the machine, died now: a saw with teeth of one interval."
            " Beyond two of them, BackupTooOld; the copy off this machine (0: none is configured), BackupNotCopied.",
            queries=[
                Query("max(time() - backup_last_verified_timestamp_seconds)", "verified"),
                Query(
                    "max((time() - backup_last_copied_timestamp_seconds) * backup_remote_configured)",
                    "off this machine",
                ),
                Query("2 * max(backup_interval_seconds)", "two intervals"),
            ],
            width=12,
            colours={"verified": GREEN, "off this machine": BLUE, "two intervals": ORANGE},
        ),
        Series(
            title="Size of a backup",
            unit="bytes",
            description="The last one that this process made, compressed; 0 until then. Times those that are kept,"
            " they fill the disk: SERVICE_BACKUP_KEEP_NEWEST, SERVICE_BACKUP_KEEP_DAYS.",
            queries=[Query("max(backup_last_size_bytes)", "size")],
            width=6,
            colours={"size": BLUE},
        ),
        Series(
            title="Failures of backups",
            unit="short",
            description="By what failed; each is tried again, and its log line has the reason. verify: what was written"
            " could not be read back, so look at the disk.",
            queries=[Query(increase("backup_failures_total", by="stage"), "{{stage}}")],
            width=6,
        ),
    ]
