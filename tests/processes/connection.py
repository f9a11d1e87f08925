"""What a client does over one connection, which is to say: with one worker."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

KEY = {"Authorization": "Bearer dev-key"}
NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Connection:
    """Not httpx: it costs more CPU for a new connection than the service does for the whole request."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = NONE
    ) -> http.client.HTTPResponse:
        """The answer, with its body still to be read."""
        known = KEY if body is None else KEY | {"Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), {**known, **headers})
        return self._connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = NONE) -> Answer:
        answer = self.send(method, path, body, headers)
        return Answer(answer.status, answer.headers, answer.read())

    def hang_up(self) -> None:
        """End it although another thread reads from it."""
        self._connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream:
    """Follows a job over a connection, in a thread of its own; `events` has the id and the state of each."""

    def __init__(self, connection: Connection, job_id: str, last_event_id: int | None = None) -> None:
        self.events: list[tuple[int, str]] = []
        self.ended = False
        self._connection = connection
        self._path = f"/jobs/{job_id}/events"
        self._headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        self._answered = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def whole(self) -> list[tuple[int, str]]:
        """All events, once the stream has ended as it should: one that was cut, or reset, raises here."""
        self._thread.join(60)
        assert not self._thread.is_alive(), f"the stream has not ended; so far: {self.events}"
        if self._error is not None:
            raise self._error
        return self.events

    def wait_until_answered(self) -> None:
        """Until its status and headers are here."""
        assert self._answered.wait(60)

    def _read(self) -> None:
        try:
            answer = self._connection.send("GET", self._path, headers=self._headers)
            assert answer.status == http.HTTPStatus.OK
            self._answered.set()
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    data = json.loads(value)
                    assert data["version"] == number
                    self.events.append((number, data["state"]))
        except Exception as error:
            self._error = error
        finally:
            self.ended = True
            self._answered.set()
            with contextlib.suppress(OSError):
                self._connection.close()
