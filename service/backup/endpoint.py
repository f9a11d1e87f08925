"""`/metrics` for Prometheus, `/healthz` and `/readyz` for the container's health check; in a thread of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Expose = Callable[[str], tuple[bytes, str]]
"""Body and content type, by the header `Accept`."""


@contextmanager
def served(host: str, port: int, expose: Expose) -> Iterator[int]:
    """The port. Raises `OSError` when it is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            match self.path:
                case "/metrics":
                    self._answer(HTTPStatus.OK, *expose(self.headers.get("Accept", "")))
                case (
                    "/healthz" | "/readyz"
                ):  # the process ends with its loop, and what fails there is an alert's matter
                    self._answer(HTTPStatus.OK, b'{"status": "ok"}', "application/json")
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, b"here are /metrics, /healthz and /readyz\n", "text/plain")

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """A scrape is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that vanishes is no traceback on stderr."""

    with Server((host, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="endpoint", daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
