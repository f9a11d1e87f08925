"""A process of the pool, seen from inside: it ends when its parent ends or says so, and for no other signal.

Without this, `kill -9` of a worker leaves its children running and holding its pipes. Children import this module: it
stays light.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.context import SpawnContext, SpawnProcess

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ChildProcess(SpawnProcess):
    """A process that ignores SIGTERM (see `prepare`), so that `terminate` must be SIGKILL.

    When a child dies, ProcessPoolExecutor terminates its siblings and waits for them: for ever, if they ignore that.
    """

    def terminate(self) -> None:
        self.kill()


class ChildContext(SpawnContext):
    """Spawned, never forked: a fork would copy the worker's threads' locks, its sockets and its database handles."""

    Process = ChildProcess


def prepare() -> None:
    """The pool's initializer: runs in each child before its first call."""
    # Ctrl-C and systemd signal the whole group. The parent drains then, and needs its children for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(10)  # requests are answered before sums are done
    # Everywhere: the pipe from the parent closes with it, also if it was gone before this line.
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    # On Linux also by the kernel, for a call that holds the GIL and so starves the thread above.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
