"""The documents say what the code does: settings, log events, metrics, make targets and links.

The runbook's headings are compared with the alerts in tests/stack/test_configuration.py.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import service
from service.backup.failure import STAGES
from service.domain.ports import Stats
from service.settings import Settings, StackSettings, TelemetryEnvironment
from service.telemetry.backup import BackupTelemetry
from service.telemetry.telemetry import Telemetry

ROOT = Path(__file__).parents[1]
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
TELEMETRY = (ROOT / "docs/telemetry.md").read_text()
COMPOSE = re.sub(r"(^|\s)#.*", "", (ROOT / "compose.yaml").read_text())
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("secrets/development/*.md")])


def _rows(page: str, heading: str) -> dict[str, tuple[str, ...]]:
    """The tables below this heading, to the next of its level or above: the other cells by the name in the first."""
    level = heading.partition(" ")[0]
    section = re.split(rf"^#{{1,{len(level)}}} ", page.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[
        0
    ]
    cells = [re.split(r"(?<!\\) *\| *", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return {name: tuple(rest) for first, *rest in cells for name in re.findall(r"`([^`]+)`", first)}


def _defaults(heading: str) -> dict[str, str]:
    """As the table says; none is an empty text."""
    return {name: cells[0].strip("`").replace("none", "") for name, cells in _rows(CONFIGURATION, heading).items()}


def _example() -> dict[str, str]:
    found = re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(found) == len(dict(found)), "a name stands twice in .env.example"
    return dict(found)


def _compose_variables() -> dict[str, str]:
    found = re.findall(r"\$\{(\w+)(?::-([^}]*))?\}", COMPOSE)
    assert len(set(found)) == len(dict(found)), f"compose.yaml gives a variable two defaults: {sorted(set(found))}"
    return dict(found)


# Settings


def test_every_setting_stands_in_the_example_and_in_the_table_with_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, example = _defaults("## The service"), _example()
    assert table.keys() == {f"SERVICE_{name}".upper() for name in Settings.model_fields}
    assert table == {name: example.get(name) for name in table}
    for name in table:
        monkeypatch.delenv(name, raising=False)
    given = {name.removeprefix("SERVICE_").lower(): text for name, text in table.items() if text}
    read = Settings(_env_file=None, _secrets_dir=None, **given)  # type: ignore[arg-type]  # texts, as from a file
    for name, field in Settings.model_fields.items():
        assert getattr(read, name) == field.get_default(), name


def test_every_variable_of_compose_stands_in_the_example_and_in_the_table_with_its_default() -> None:
    table, example, used = _defaults("## The stack"), _example(), _compose_variables()
    assert table == used
    assert {name: example.get(name) for name in used} == used


def test_the_example_has_no_name_that_nothing_reads() -> None:
    read = {f"SERVICE_{name}".upper() for name in Settings.model_fields}
    read |= {name.upper() for name in TelemetryEnvironment.model_fields} | _compose_variables().keys()
    assert _example().keys() <= read


def test_the_names_of_others_have_a_line() -> None:
    assert _defaults("## The preflight") == {
        f"STACK_{name}".upper(): str(field.get_default()) for name, field in StackSettings.model_fields.items()
    }
    used = {name.upper() for name in TelemetryEnvironment.model_fields} | set(re.findall(r"\bOTEL_[A-Z_]+", COMPOSE))
    assert used <= _rows(CONFIGURATION, "## OpenTelemetry").keys()


# Telemetry


EVENT = re.compile(r"[a-z]+(_[a-z]+)+")
CALLS = {"event", "_event", "write_event", "compose"} | {
    "debug", "info", "warning", "error", "critical", "exception", "log",
}  # fmt: skip


def _events() -> Iterator[str]:
    """Texts like `job_failed`, given to a log call, or beside a level in a tuple."""
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=said) if name in CALLS:
                    pass
                case ast.Tuple(elts=[ast.Constant(), ast.Attribute(value=ast.Name(id="logging"))] as said):
                    pass
                case _:
                    continue
            texts = [each.value for part in said for each in ast.walk(part) if isinstance(each, ast.Constant)]
            yield from (text for text in texts if isinstance(text, str) and EVENT.fullmatch(text))


def test_every_log_event_has_a_line_and_every_line_an_event() -> None:
    assert set(_events()) == _rows(TELEMETRY, "### Events").keys()


async def test_every_metric_has_a_line_with_its_type_and_every_line_a_metric() -> None:
    async def stats() -> Stats:
        return Stats(jobs={})

    telemetry = Telemetry(kinds=("sleep",), routes=(("POST", "/jobs"),), version="1", sqlite_version="3")
    backups = BackupTelemetry(stages=STAGES, interval_seconds=1, has_remote=False, last_verified=lambda: 0.0)
    text = ((await telemetry.exposition("", stats))[0] + backups.exposition("")[0]).decode()
    exported = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    collectors = ("process_", "python_gc_")  # prometheus_client's own; which of them there are depends on the system
    lines = {name: cells[0] for name, cells in _rows(TELEMETRY, "## Metrics").items() if EVENT.match(f"{name}_x")}
    own = {name: kind for name, kind in exported.items() if not name.startswith(collectors)}
    assert own.keys() == {name for name in lines if not name.startswith(collectors)}
    for name, kind in own.items():
        assert lines[name].startswith(kind), name
    for collector in collectors:
        assert f"`{collector}*`" in TELEMETRY


# Everything else that can be compared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    named = {word for words in re.findall(r"\bmake((?: [a-z][a-z-]*)+)", code) for word in words.split()}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        assert place.exists(), target
        assert not anchor or anchor in _anchors(place.read_text()), target


def _anchors(page: str) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_listed() -> None:
    listed = set(re.findall(r"\(decisions/([^)]+\.md)\)", (ROOT / "docs/architecture.md").read_text()))
    assert listed == {path.name for path in (ROOT / "docs/decisions").glob("*.md")}


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == service.__version__
    assert f"\n## [{service.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
