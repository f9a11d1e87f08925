"""The operations routes: /healthz, /readyz, /metrics; in development also a start page."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

Checks = Callable[[], Awaitable[Mapping[str, str]]]
"""Readiness by name; each is "ok" (or "no" for draining), or says what is wrong."""

Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Metrics for an `Accept` header: body and content type."""

READY = {"database": {"ok"}, "worker": {"ok", "draining"}, "draining": {"no"}}

START_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Jobs service</title>
<style>body{font:16px/1.6 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}
code{background:#eee;padding:.2em}</style>
<h1>Jobs service</h1><p>Post a job, it is durable before the answer, and a worker runs it.</p>
<ul><li><a href="/docs">API documentation</a> (<a href="/openapi.json">OpenAPI</a>)</li>
<li><a href="/healthz">Health</a></li><li><a href="/grafana/">Grafana</a> (in the compose stack)</li></ul>
<p><code>curl -H "Authorization: Bearer dev-key" --json '{"kind": "sleep"}' …/jobs</code></p></html>
"""


def ops_router(checks: Checks, exposition: Exposition, *, development: bool) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Response:
        """200 while the event loop turns; nothing else is asked, so that no outage elsewhere restarts this process."""
        return Response('{"status":"ok"}', media_type="application/json")

    @router.get("/readyz")
    async def readyz(exclude: Annotated[Sequence[str], Query()] = ()) -> Response:
        """`?exclude=database` is the proxy's question: a service whose disk is full still reads, and itself refuses the
        rest. A proxy that turned away would let clients wait for it, and then fail them."""
        found = dict(await checks())
        ready = all(found[name] in good for name, good in READY.items() if name not in exclude)
        body = json.dumps({"status": "ready" if ready else "not ready", "checks": found})
        return Response(body, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, media_type="application/json")

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        body, content_type = await exposition(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    if development:

        @router.get("/", response_class=HTMLResponse)
        async def start_page() -> str:
            return START_PAGE

    return router
