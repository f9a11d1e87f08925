"""`python -m tests.backup.standing PART …`: the command `backup`, which says PART on stdout when it is in the middle of
it, and stands still there until it is asked to stop. PART: copy, compress or extract.

So a test needs no luck to send a signal at that moment.
"""

import sys
import time

from service.backup import command, inspection
from service.backup.stop import Stop

PART = sys.argv[1]


class Standing(Stop):
    """Whoever looks at the stop in that part is held up there."""

    _asked = False

    @property
    def asked(self) -> bool:
        if (
            PART == "copy" and sys._getframe(1).f_code.co_name == "<lambda>"
        ):  # asked by SQLite, in the middle of its work
            self._stand()
        return self._asked

    @asked.setter
    def asked(self, asked: bool) -> None:
        self._asked = asked

    def check(self) -> None:
        if sys._getframe(1).f_code.co_name == PART:
            self._stand()
        super().check()

    def _stand(self) -> None:
        print(PART, flush=True)
        while not self._asked:
            time.sleep(0.01)


if __name__ == "__main__":
    inspection.LOOK_EVERY = 1000
    vars(command)["Stop"] = Standing
    sys.exit(command.backup(sys.argv[2:]))
