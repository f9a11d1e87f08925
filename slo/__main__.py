"""`make slo`: writes all that follows from slo.yaml. `--check` only compares, `--shorten` is for trying alerts."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from grafana import boards
from slo import shortened
from slo.cases import cases
from slo.document import ROOT, Document, read
from slo.edges import edges
from slo.limits import limits
from slo.page import page, readme
from slo.rules import rules

PAGE = Path("docs/slo.md")
README = Path("README.md")


def files(document: Document, root: Path = ROOT) -> Mapping[Path, str]:
    """Contents by path below the project's root."""
    return {
        PAGE: page(document, (root / PAGE).read_text()),
        README: readme(document, (root / README).read_text()),
        Path("prometheus/rules/slo.yml"): rules(document),
        Path("prometheus/tests/slo.yml"): cases(document),
        Path("service/telemetry/edges.py"): edges(document),
        Path("loadtest/slo.json"): limits(document),
        **boards.files(document),
    }


def stale(document: Document, root: Path = ROOT) -> list[str]:
    """What is wrong with the checked-in files, a line each."""
    different = [path for path, text in files(document, root).items() if _differs(root / path, text)]
    said = [f"{path} does not say what slo.yaml says: run `make slo`" for path in different]
    return [*_missing_edges(document, root), *said]


def main() -> int:
    options = _options()
    try:
        document = read()
        if options.shorten:
            written = shortened.write(ROOT / "prometheus", options.to, options.shorten)
        elif options.check:
            problems = stale(document)
            print("\n".join(problems) or "all files say what slo.yaml says")
            return 1 if problems else 0
        else:
            written = [path for path, text in files(document).items() if _written(ROOT / path, text)]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(f"written: {path}" for path in written) or "nothing changed")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m slo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing; exit 1 if something differs")
    parser.add_argument("--shorten", type=int, metavar="N", help="Prometheus' configuration with windows divided by N")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where --shorten writes it")
    options = parser.parse_args()
    if bool(options.shorten) != bool(options.to):
        parser.error("--shorten and --to belong together")
    return options


def _differs(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text() != text


def _written(path: Path, text: str) -> bool:
    """Whether it had to be."""
    if not _differs(path, text):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return True


def _missing_edges(document: Document, root: Path) -> list[str]:
    """Said apart: a ratio at an edge that the service does not have is silently wrong."""
    there = root / "service/telemetry/edges.py"
    text = there.read_text() if there.exists() else ""
    return [
        f'{o.name}: le="{o.threshold.le}" is no bucket edge of the service\'s {o.threshold.metric}: run `make slo`'
        for o in document.objectives
        if o.threshold and o.threshold.seconds not in _edges_in(text, o.threshold.metric)
    ]


def _edges_in(module: str, metric: str) -> set[float]:
    _, _, rest = module.partition(f'"{metric}": (')
    return {float(number) for number in rest.partition(")")[0].replace(",", " ").split()}


if __name__ == "__main__":
    sys.exit(main())
