"""The clock of leases: the machine's monotonic clock, and the identity of the boot that it counts from.

All processes of one machine share it, a step of the wall clock does not move it, and it stands still while a laptop
sleeps. After a reboot it starts anew, so a time is stored with its boot, and another boot's lease has expired.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LeaseClock:
    now: Callable[[], float]  # seconds
    boot: str


def boot_id() -> str:
    """Changes with each boot; the same in every container of one machine."""
    if sys.platform == "darwin":
        command = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
