"""What telemetry knows about the code that runs now, without being told: whose request or attempt it is."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

facts: ContextVar[Mapping[str, Any] | None] = ContextVar("telemetry_facts", default=None)
"""In a request: its `scope["state"]`, so that a `user_id` set later by the API stands in the lines that follow. In an
attempt: `request_id` and `user_id` of the submitter, and `job_id`."""

IDENTITY = ("request_id", "user_id", "job_id")
"""The facts that stand in every log line, when there are such."""

RECEIVED_AT = "received_at"
"""When the request came in, by `time.perf_counter`: a submission's time counts from there."""
