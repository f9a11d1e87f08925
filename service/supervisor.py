"""uvicorn's supervisor, with two traps closed: it notices at once that a worker has died, also while it waits for it,
and it passes on a second signal."""

from uvicorn.supervisors import Multiprocess

SIGNAL_POLL_SECONDS = 0.2


class Supervisor(Multiprocess):
    """The supervisor asks each worker twice a second whether it lives, over a pipe, and waits up to
    `timeout_worker_healthcheck` for the answer. It also holds the worker's own end of that pipe, so a worker killed
    just after the question never closes it: no worker was respawned for half a minute (about one kill in ten on a busy
    machine). Without that end, the answer to a dead worker's silence is immediate."""

    def init_processes(self) -> None:
        super().init_processes()
        self._close_worker_ends()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self._close_worker_ends()

    def join_all(self) -> None:
        """Waits for the workers to end; a signal meanwhile says that it should not take long, and they must hear of it.
        uvicorn's own waits deaf: `docker stop` and `kill` reach only the supervisor."""
        for process in self.processes:
            while process.process.is_alive():
                process.process.join(SIGNAL_POLL_SECONDS)
                if self.signal_queue:
                    self.signal_queue.clear()
                    self.terminate_all()

    def _close_worker_ends(self) -> None:
        for process in self.processes:
            process.child_conn.close()  # the worker has its own copy since it was started; closing twice is harmless
