"""Kinds are found by themselves, and a file that is none is named."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from service.domain.job import NonRetryable
from service.domain.ports import Context
from service.handlers import discover

GOOD = """
import pydantic
class Payload(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    number: int = 1
async def run(payload, context):
    return payload.number
"""

SHIPPED = {"primes", "sleep", "webhook"}  # whoever adds one changes no test

MakePackage = Callable[[dict[str, str]], ModuleType]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    def make(files: dict[str, str]) -> ModuleType:
        name = f"kinds_{tmp_path.name.replace('-', '_')}"
        folder = tmp_path / name
        folder.mkdir()
        for file, text in {"__init__.py": "", **files}.items():
            (folder / file).write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return importlib.import_module(name)

    return make


def test_the_three_kinds_are_found_under_their_file_names() -> None:
    kinds = discover()
    assert kinds.keys() >= SHIPPED
    assert all(name == kind.name for name, kind in kinds.items())


def test_every_example_of_a_payload_is_valid() -> None:
    for kind in discover().values():
        examples = kind.payload.model_json_schema().get("examples", [])
        assert examples or kind.name not in SHIPPED
        for example in examples:
            kind.payload.model_validate(example)


@pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
async def test_the_kind_that_the_page_adds_works(
    make_package: MakePackage, make_context: Callable[..., Context], name: str
) -> None:
    page = (Path(__file__).parents[2] / name).read_text()
    (source,) = re.findall(r"`service/handlers/greet.py`:\n\n```python\n(.*?)```", page, re.DOTALL)
    kind = discover(make_package({"greet.py": source}))["greet"]
    assert kind.payload.model_validate({"name": "Ada"})
    assert await kind.handler({"name": "Ada"}, make_context()) == {"greeting": "Hello Ada, attempt 1"}


def test_every_field_of_a_payload_is_described() -> None:
    for name in SHIPPED:
        for field, schema in discover()[name].payload.model_json_schema()["properties"].items():
            assert schema.get("description"), f"{name}.{field}"


def test_a_module_with_an_underscore_is_no_kind(make_package: MakePackage) -> None:
    assert list(discover(make_package({"double.py": GOOD, "_table.py": "raise SystemExit"}))) == ["double"]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("async def run(payload, context): ...", "class Payload"),
        ("class Payload: ...\nasync def run(payload, context): ...", "class Payload"),
        ("import pydantic\nclass Payload(pydantic.BaseModel): ...", "async def run"),
        ("import pydantic\nclass Payload(pydantic.BaseModel): ...\ndef run(payload, context): ...", "async def run"),
    ],
)
def test_a_file_that_is_no_kind_is_named_with_what_it_lacks(make_package: MakePackage, text: str, missing: str) -> None:
    with pytest.raises(TypeError, match=rf"broken\.py: .*{missing}"):
        discover(make_package({"broken.py": text}))


async def test_the_handler_gets_the_stored_mapping_as_a_payload(
    make_package: MakePackage, make_context: Callable[..., Context]
) -> None:
    kind = discover(make_package({"double.py": GOOD}))["double"]
    assert await kind.handler({"number": 7}, make_context()) == 7


async def test_a_stored_payload_that_no_longer_fits_fails_the_job_without_its_values(
    make_package: MakePackage, make_context: Callable[..., Context]
) -> None:
    kind = discover(make_package({"double.py": GOOD}))["double"]
    with pytest.raises(NonRetryable, match="number") as raised:
        await kind.handler({"number": "a secret"}, make_context())
    assert "a secret" not in str(raised.value)
