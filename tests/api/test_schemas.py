"""What an answer holds is what its model describes: the model documents it, and plain values are written."""

import json

from pydantic_core import to_json

from service.api.schemas import JobView, job_values
from service.domain.job import Attempt, Job, Outcome, State

JOB = Job(
    id="01a20772-49bf-7e69-a65e-b29e5827a811",
    kind="sleep",
    payload={"large": 2**70, "text": "ä\u2028"},
    user_id="dev",
    created_at=1_700_000_000.0,
    run_at=1_700_000_000.25,
    runnable_at=1_700_000_000.25,
    state=State.SUCCEEDED,
    started_at=1_700_000_001.0,
    finished_at=1_700_000_002.000001,
    result=[1.5, None],
    attempts=(
        Attempt(number=1, started_at=1_700_000_000.5, finished_at=1_700_000_000.75, outcome=Outcome.RETRIED),
        Attempt(number=2, started_at=1_700_000_001.0),
    ),
)


def test_an_answer_is_what_its_model_describes() -> None:
    written = to_json(job_values(JOB))
    assert json.loads(JobView.model_validate_json(written, strict=True).model_dump_json()) == json.loads(written)


def test_times_are_rfc_3339_with_microseconds() -> None:
    values = job_values(JOB)
    assert values["created_at"] == "2023-11-14T22:13:20.000000Z"
    assert values["finished_at"] == "2023-11-14T22:13:22.000001Z"
    assert values["attempts"][1]["finished_at"] is None
