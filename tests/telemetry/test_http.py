"""One request: its id, its headers, its line, its metrics and its span."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from opentelemetry.trace import SpanKind, StatusCode

from service.api.auth import new_key
from service.telemetry.exchange import Message, Receive, Scope, Send
from tests.telemetry.conftest import ReadLines
from tests.telemetry.making import Spans, make_telemetry, scraped

TRACE = "ab" * 16
PARENT = f"00-{TRACE}-{'cd' * 8}-01"


class Service:
    """A small application under the middleware, and what is seen of it."""

    def __init__(self, **changed: Any) -> None:
        self.spans = Spans()
        self.telemetry = make_telemetry(span_exporter=self.spans.exporter, **changed)
        self.app = application()
        self.app.add_middleware(
            self.telemetry.middleware,
            on_error=plain_500,
            may_force_sampling=lambda scope: (b"authorization", b"operator") in scope["headers"],
        )

    async def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://service:8000") as client:
            return await client.request(method, path, **given)


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/jobs/{id}")
    async def get(id: str, request: Request) -> dict[str, str | None]:  # noqa: A002  the template is the contract's
        request.state.user_id = "ada"
        request.state.waits = "prefer" in request.headers
        return {"id": id, "trace_id": request.state.trace_id, "request_id": request.state.request_id}

    @app.post("/jobs")
    async def post(request: Request) -> JSONResponse:
        match (await request.body()).decode():
            case "invalid":
                request.state.error_detail = [{"loc": ["body", "kind"], "msg": "missing"}]
                return JSONResponse({}, 422)
            case "unavailable":
                request.state.exception = OSError("disk full")
                return JSONResponse({}, 503)
            case "refused":
                raise HTTPException(409)
        raise RuntimeError("boom")

    @app.get("/broken")
    async def broken() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("boom")

        return StreamingResponse(body())

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(body(), media_type="text/event-stream")

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        async def fails() -> None:
            raise RuntimeError("boom")

        tasks.add_task(fails)

    @app.get("/healthz")
    async def healthz() -> None: ...

    return app


async def plain_500(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"request_id": scope["state"]["request_id"]}, 500)(dict(scope), receive, send)


async def value(service: Service, sample: str) -> float | None:
    """Of a sample, as written without the label `worker`."""
    text = (await scraped(service.telemetry)).replace('worker="0",', "").replace('{worker="0"}', "")
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


async def test_a_request_has_one_line(read_lines: ReadLines) -> None:
    service = Service()
    headers = {
        "X-Request-ID": "request-1",
        "Referer": "http://here/?token=x",
        "User-Agent": "cup/1",
        "traceparent": PARENT,
    }
    async with service.telemetry.open():
        await service.request("GET", "/jobs/7?a=%C3%A9&t%6Fken=hidden&b", headers=headers)
    (line,) = read_lines()
    assert re.fullmatch(r"[0-9a-f]{16}", line.pop("span_id"))
    assert 0 < line.pop("elapsed") < 30
    assert line.pop("source").startswith("service/telemetry/http.py:")
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("pid")
    assert line.pop("response_length") > 0
    assert line == {
        "level": "info",
        "message": "request_finished",
        "request_id": "request-1",
        "user_id": "ada",
        "trace_id": TRACE,
        "remote_ip": "192.0.2.7",
        "scheme": "http",
        "protocol": "HTTP/1.1",
        "method": "GET",
        "path_with_query": "/jobs/7?a=%C3%A9&t%6Fken=[redacted]&b",
        "route": "/jobs/{id}",
        "status_code": 200,
        "referer": "http://here/?token=[redacted]",
        "user_agent": "cup/1",
    }


async def test_an_api_key_in_a_wrong_place_is_in_no_line_and_no_span(read_lines: ReadLines) -> None:
    key = new_key("ada", "ada", operator=False)[0]
    service = Service()
    places = {
        "Authorization": key,
        "Referer": f"http://here/{key}",
        "User-Agent": key,
        "X-Request-ID": key,
        "Host": key,
    }
    async with service.telemetry.open():
        answer = await service.request("GET", f"/jobs/{key}?k={key}&api_key={key}", headers=places)
    lines = read_lines()
    assert [line["message"] for line in lines] == ["request_finished"]
    assert key not in str(lines)
    assert key not in answer.headers["X-Request-ID"]
    assert key not in service.spans.one("GET /jobs/{id}").to_json()


async def test_an_unhandled_exception_is_one_error_line_with_its_traceback(read_lines: ReadLines) -> None:
    service = Service()
    answer = await service.request("POST", "/jobs")
    (line,) = read_lines()
    assert answer.status_code == 500
    assert answer.json() == {"request_id": line["request_id"]} == {"request_id": answer.headers["X-Request-ID"]}
    assert (line["level"], line["message"], line["status_code"]) == ("error", "request_finished", 500)
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("RuntimeError: boom\n")
    assert await value(service, 'http_requests_total{method="POST",route="/jobs",status="500"}') == 1


async def test_an_exception_mapped_by_the_api_is_in_the_error_line(read_lines: ReadLines) -> None:
    await Service().request("POST", "/jobs", content="unavailable")
    (line,) = read_lines()
    assert (line["level"], line["status_code"], line["exception"]) == ("error", 503, "OSError: disk full\n")


async def test_a_422_has_its_detail(read_lines: ReadLines) -> None:
    await Service().request("POST", "/jobs", content="invalid")
    (line,) = read_lines()
    assert (line["level"], line["detail"]) == ("info", [{"loc": ["body", "kind"], "msg": "missing"}])


async def test_a_response_that_breaks_off_is_one_error_line_and_stays_incomplete(read_lines: ReadLines) -> None:
    service = Service()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await service.app(scope("GET", "/broken"), receive, send)
    (line,) = read_lines()
    assert (line["level"], line["status_code"], line["response_length"]) == ("error", 500, 4)
    assert line["exception"].endswith("RuntimeError: boom\n")
    assert all(message.get("more_body", True) for message in sent)


async def test_a_stream_that_its_client_leaves_is_no_error(read_lines: ReadLines) -> None:
    service = Service()
    await service.app(scope("GET", "/endless"), left, unused)
    (line,) = read_lines()
    assert (line["level"], line["status_code"]) == ("info", 200)


async def test_what_fails_after_a_complete_answer_is_an_error_line_with_the_status_sent(read_lines: ReadLines) -> None:
    service = Service()
    answer = await service.request("GET", "/background")
    (line,) = read_lines()
    assert (line["level"], line["status_code"], answer.status_code) == ("error", 200, 200)
    assert line["exception"].endswith("RuntimeError: boom\n")


async def test_a_500_page_that_fails_itself_is_logged(read_lines: ReadLines) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("boom")

    telemetry = make_telemetry()
    middleware = telemetry.middleware(app, on_error=app, may_force_sampling=lambda _: False)
    await middleware(scope("GET", "/jobs"), unused, unused)
    assert [line["message"] for line in read_lines()] == ["error_answer_failed", "request_finished"]


@pytest.mark.parametrize(
    "request_given", [("GET", "/jobs/1"), ("GET", "/nowhere"), ("POST", "/jobs"), ("PUT", "/jobs"), ("GET", "/healthz")]
)
async def test_every_response_has_its_headers(read_lines: ReadLines, request_given: tuple[str, str]) -> None:
    answer = await Service().request(*request_given)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["X-Request-ID"])
    assert re.fullmatch(r"\d+\.\d{6}", answer.headers["X-Processed-Time"])


@pytest.mark.parametrize("given", ["", "has space", "a" * 129, "é", "a\tb", "<script>"])
async def test_a_malformed_request_id_is_replaced(read_lines: ReadLines, given: str) -> None:
    answer = await Service().request("GET", "/jobs/1", headers={"X-Request-ID": given.encode()})
    assert answer.headers["X-Request-ID"] != given
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


async def test_health_checks_are_lines_at_debug_unless_they_fail(read_lines: ReadLines) -> None:
    service = Service()
    await service.request("GET", "/healthz")
    await service.request("POST", "/healthz")
    assert [(line["level"], line["status_code"]) for line in read_lines()] == [("debug", 200), ("info", 405)]


async def test_a_client_that_leaves_is_no_error(read_lines: ReadLines) -> None:
    service = Service()

    async def reads_the_body(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    middleware = service.telemetry.middleware(reads_the_body, on_error=plain_500, may_force_sampling=lambda _: False)
    await middleware(scope("POST", "/jobs"), left, unused)
    (line,) = read_lines()
    assert (line["level"], line["status_code"]) == ("info", 499)


async def test_a_cancelled_request_is_no_error(read_lines: ReadLines) -> None:
    started = asyncio.Event()

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        await asyncio.Event().wait()

    middleware = make_telemetry().middleware(hangs, on_error=plain_500, may_force_sampling=lambda _: False)
    request = asyncio.create_task(middleware(scope("GET", "/jobs"), unused, unused))
    await started.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    (line,) = read_lines()
    assert (line["level"], line["status_code"]) == ("info", 499)


async def test_other_protocols_pass_through() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await make_telemetry().middleware(app, on_error=app, may_force_sampling=bool)({"type": "lifespan"}, unused, unused)
    assert seen == ["lifespan"]


async def test_requests_are_counted_by_template_and_closed_sets(read_lines: ReadLines) -> None:
    service = Service()
    for method, path in [("GET", "/jobs/1"), ("GET", "/jobs/2"), ("BREW", "/jobs/1"), ("GET", "/a"), ("GET", "/b")]:
        await service.request(method, path)
    assert await value(service, 'http_requests_total{method="GET",route="/jobs/{id}",status="200"}') == 2
    assert await value(service, 'http_requests_total{method="_OTHER",route="/jobs/{id}",status="405"}') == 1
    assert await value(service, 'http_requests_total{method="GET",route="unmatched",status="404"}') == 2
    assert await value(service, "http_response_size_bytes_count") == 5
    assert await value(service, "http_requests_in_flight") == 0


@pytest.mark.parametrize(
    ("path", "headers", "timed"),
    [("/jobs/1", {}, 1), ("/jobs/1", {"Prefer": "respond-async, wait=5"}, 0), ("/events", {}, 0)],
)
async def test_streams_and_long_polls_are_not_timed(
    read_lines: ReadLines, path: str, headers: dict[str, str], timed: int
) -> None:
    service = Service()
    await service.request("GET", path, headers=headers)
    route = path.replace("/1", "/{id}")
    assert await value(service, f'http_requests_total{{method="GET",route="{route}",status="200"}}') == 1
    assert (
        await value(service, f'http_request_duration_seconds_count{{method="GET",route="{route}",status="200"}}')
        == timed
    )


async def test_a_request_has_one_server_span(read_lines: ReadLines) -> None:
    service = Service()
    async with service.telemetry.open():
        answer = await service.request("GET", "/jobs/7?token=x", headers={"traceparent": PARENT, "User-Agent": "cup/1"})
    (span,) = service.spans.all()
    assert (span.name, span.kind, span.status.status_code) == ("GET /jobs/{id}", SpanKind.SERVER, StatusCode.UNSET)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "cd" * 8
    assert answer.json()["trace_id"] == TRACE
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/jobs/{id}",
        "http.response.status_code": 200,
        "url.path": "/jobs/7",
        "url.scheme": "http",
        "client.address": "192.0.2.7",
        "server.address": "service",
        "user_agent.original": "cup/1",
        "request.id": answer.headers["X-Request-ID"],
    }


async def test_the_span_of_a_500_has_the_exception(read_lines: ReadLines) -> None:
    service = Service()
    async with service.telemetry.open():
        await service.request("POST", "/jobs")
    (span,) = service.spans.all()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "RuntimeError"
    (event,) = span.events
    assert (event.attributes or {})["exception.message"] == "boom"


async def test_an_unknown_method_does_not_name_a_span(read_lines: ReadLines) -> None:
    service = Service()
    async with service.telemetry.open():
        await service.request("BREW", "/jobs/1")
    (span,) = service.spans.all()
    assert span.name == "HTTP /jobs/{id}"
    assert (span.attributes or {})["http.request.method"] == "_OTHER"
    assert (span.attributes or {})["http.request.method_original"] == "BREW"


async def test_health_checks_have_no_span(read_lines: ReadLines) -> None:
    service = Service()
    async with service.telemetry.open():
        await service.request("GET", "/healthz", headers={"traceparent": PARENT})
    assert service.spans.all() == ()
    (line,) = read_lines()
    assert "trace_id" not in line


@pytest.mark.parametrize(
    ("ratio", "headers", "sampled"),
    [
        (1.0, {}, True),
        (0.0, {}, False),
        (0.0, {"traceparent": PARENT}, True),
        (1.0, {"traceparent": PARENT[:-1] + "0"}, False),
        (0.0, {"X-Trace-Sample": "1"}, False),
        (0.0, {"X-Trace-Sample": "1", "Authorization": "operator"}, True),
        (0.0, {"X-Trace-Sample": "1", "Authorization": "operator", "traceparent": PARENT[:-1] + "0"}, True),
    ],
)
async def test_sampling(read_lines: ReadLines, ratio: float, headers: dict[str, str], sampled: bool) -> None:
    service = Service(sample_ratio=ratio)
    async with service.telemetry.open():
        answer = await service.request("GET", "/jobs/1", headers=headers)
        exposed = await scraped(service.telemetry, "application/openmetrics-text")
    assert len(service.spans.all()) == sampled
    (line,) = read_lines()
    assert line["trace_id"] == answer.json()["trace_id"]  # the ids stand in the lines either way
    assert (f'# {{trace_id="{line["trace_id"]}"}}' in exposed) is sampled


async def test_concurrent_requests_keep_their_ids_apart(read_lines: ReadLines) -> None:
    service = Service()
    async with service.telemetry.open():
        await asyncio.gather(
            *(service.request("GET", f"/jobs/{n}", headers={"X-Request-ID": f"r{n}"}) for n in range(20))
        )
    lines = read_lines()
    assert {line["path_with_query"]: line["request_id"] for line in lines} == {f"/jobs/{n}": f"r{n}" for n in range(20)}
    assert len({line["trace_id"] for line in lines}) == 20


def scope(method: str, path: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "client": None}


async def left() -> Message:
    return {"type": "http.disconnect"}


async def unused(*_: Any) -> Any: ...
