"""Takes Alertmanager's webhooks and writes each as one line, in the shape of the service's log.

`python server.py [PORT]`: standard library only and no build, it runs in the plain Python image, mounted as it is.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 9095
BODY_LIMIT = 1 << 20  # bytes
VALUE_LIMIT = 2048  # characters of one value in a line, as in the service's log
PATIENCE_SECONDS = 10  # with a client that is slow to send

LEVELS = {"page": "error", "ticket": "warning"}  # of what fires, by receiver
writing = threading.Lock()  # lines of two threads must not mix


class Handler(BaseHTTPRequestHandler):
    """A `POST` of any path is a notification."""

    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(HTTPStatus.OK, "ok")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "here are /healthz, and POST for notifications")

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if size < 0:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "no Content-Length")
        if size > BODY_LIMIT:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{size} bytes, more than {BODY_LIMIT}")
        try:
            fields = facts(json.loads(self.rfile.read(size)))
        except (ValueError, RecursionError) as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, f"no notification: {error}")
        level = LEVELS.get(fields["receiver"], "info") if fields["status"] == "firing" else "info"
        write(level, "notification_received", path=self._place(), **fields)
        return self._answer(HTTPStatus.OK, "received")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """The body may be unread, so the connection cannot go on."""
        write("warning", "notification_refused", path=self._place(), status_code=int(status), error=reason)
        self.close_connection = True
        self._answer(status, reason)

    def _place(self) -> str:
        """The path without what follows its first part: the address of a webhook often ends in its password."""
        first, _, rest = self.path.lstrip("/").partition("/")
        return f"/{first}/…" if rest else f"/{first}"

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode(errors="backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """No access log: the one line per notification says more."""


def facts(notification: Any) -> dict[str, Any]:
    """What a line says of a notification; where its alerts differ, all values, separated by commas.
    Raises `ValueError` for what is none (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config)."""
    match notification:
        case {"status": str(status), "receiver": str(receiver), "alerts": [_, *_] as alerts} if _are_alerts(alerts):
            labels = [_texts(alert.get("labels")) for alert in alerts]
            annotations = [_texts(alert.get("annotations")) for alert in alerts]
        case _:
            raise ValueError("a webhook of Alertmanager has a status, a receiver and alerts")
    return {
        "receiver": receiver,
        "status": status,
        **{name: _all(each.get(name) for each in labels) for name in ("alertname", "severity", "job")},
        **{name: _all(each.get(name) for each in annotations) for name in ("summary", "description", "runbook_url")},
        "count": len(alerts),
        "resolved": sum(alert.get("status") == "resolved" for alert in alerts),
        "starts_at": min(str(alert.get("startsAt", "")) for alert in alerts),
    }


def _are_alerts(alerts: list[Any]) -> bool:
    return all(isinstance(alert, dict) for alert in alerts)


def _texts(found: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _all(values: Iterable[str | None]) -> str:
    """Each once, in the order of the alerts."""
    return ", ".join(dict.fromkeys(value for value in values if value))


def write(level: str, message: str, **fields: object) -> None:
    caller = sys._getframe(1).f_code
    line = {
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": level,
        "message": message,
        "source": f"sink/server.py:{caller.co_name}:{sys._getframe(1).f_lineno}",
        **{name: value[:VALUE_LIMIT] if isinstance(value, str) else value for name, value in fields.items()},
        "pid": os.getpid(),
    }
    with writing:
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True  # a connection that stays open does not hold up the stop

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that vanishes is no traceback on stderr."""
        write("warning", "connection_failed", error=repr(sys.exc_info()[1]))


def main(port: int = PORT) -> None:
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]  # a lone surrogate
    with Server(("", port), Handler) as server:
        # At once, whatever the threads do: every line is flushed, and there is nothing else to save.
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: os._exit(0))
        write("info", "sink_listening", port=server.server_address[1])
        server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
