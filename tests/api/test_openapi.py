"""The OpenAPI document, as clients and generators read it."""

import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.openapi import ProblemDetails
from service.api.schemas import CURSOR
from service.store import cursor

ANYWHERE = {"unauthenticated", "internal", "storage-unavailable"}
OF_A_JOB = ANYWHERE | {"not-found"}
OF_A_BODY = {"malformed-body", "unsupported-media-type", "too-large", "too-slow", "invalid"}
PROBLEMS = {
    ("post", "/jobs"): ANYWHERE | OF_A_BODY | {"malformed-header", "idempotency-conflict", "queue-full"},
    ("get", "/jobs"): ANYWHERE | {"invalid"},
    ("get", "/jobs/{id}"): OF_A_JOB,
    ("post", "/jobs/{id}/cancel"): OF_A_JOB,
    ("post", "/jobs/{id}/redrive"): OF_A_JOB | {"not-failed"},
    ("get", "/jobs/{id}/events"): OF_A_JOB | {"malformed-header"},
}
KINDS = ("Sleep", "Webhook", "Primes")


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await client.get("/openapi.json")).json())


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): each for path, item in document["paths"].items() for method, each in item.items()}


def test_each_kind_has_a_payload_of_its_own_name(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for kind in KINDS:
        assert schemas[f"{kind}Submission"]["properties"]["payload"]["$ref"] == f"#/components/schemas/{kind}Payload"
    assert not [name for name in schemas if "__" in name]
    body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["discriminator"]["mapping"].keys() >= {"sleep", "webhook", "primes", "explode"}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_examples_of_a_payload_are_accepted(
    client: httpx.AsyncClient, document: dict[str, Any], kind: str
) -> None:
    examples = document["components"]["schemas"][f"{kind}Payload"]["examples"]
    assert examples
    for example in examples:
        assert (await client.post("/jobs", json={"kind": kind.lower(), "payload": example})).status_code == 202


def test_the_operations_routes_are_not_part_of_the_api(document: dict[str, Any]) -> None:
    assert set(operations(document)) == set(PROBLEMS)
    assert all(operation["security"] for operation in operations(document).values())


@pytest.mark.parametrize("route", PROBLEMS)
def test_a_route_documents_every_problem_that_it_may_answer(document: dict[str, Any], route: tuple[str, str]) -> None:
    found = set()
    for status, response in operations(document)[route]["responses"].items():
        if int(status) < 400:
            continue
        [(media_type, content)] = response["content"].items()
        assert media_type == "application/problem+json"
        assert content["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
        for slug, example in content["examples"].items():
            problem = ProblemDetails.model_validate(example["value"])
            assert (problem.type, problem.status) == (f"urn:jobs-service:problem:{slug}", int(status))
            assert bool(problem.errors) == (status == "422")
            found.add(slug)
    assert found == PROBLEMS[route]


def test_the_form_of_errors_that_fastapi_assumes_is_nowhere(document: dict[str, Any]) -> None:
    assert "ValidationError" not in str(document)


def test_every_answer_documents_the_headers_that_all_have(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        for response in operation["responses"].values():
            assert response["headers"].keys() >= {"X-Request-ID", "X-Processed-Time"}


@given(st.integers(1, 2**63 - 1))
def test_the_documented_pattern_has_every_cursor_that_a_page_gives_out(number: int) -> None:
    assert re.fullmatch(CURSOR, cursor.encode(number))


@given(st.from_regex(CURSOR, fullmatch=True))
def test_every_cursor_of_the_documented_pattern_is_understood(text: str) -> None:
    assert cursor.encode(cursor.decode(text)) == text
