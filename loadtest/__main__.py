"""`python -m loadtest`: the exit code is the verdict. 0: all holds; 1: not all; 2: nothing could be judged."""

import json
import os
import sys

from loadtest.client import with_client  # first: it lets gevent replace the sockets before anything uses one

# isort: split
from loadtest import judgement, limits, page, prometheus, report, scenario, settings, table
from loadtest.generator import Generator
from loadtest.run import Outcome, conduct
from loadtest.story import Client, tell


def main() -> int:
    try:
        asked = settings.read(os.environ)
        return _judged(asked)
    except settings.Unusable as error:
        print(f"\nNot judged. {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nNot judged: interrupted.", file=sys.stderr)
        return 2


def _judged(asked: settings.Settings) -> int:
    by = limits.read()
    plan = scenario.scenario(asked.scenario, by.rate, asked.rate, asked.seconds)
    compared = prometheus.Prometheus(asked) if asked.compare else None
    if not plan.empty:
        prometheus.check_key(asked)
        if compared:
            compared.check(by)
    first = plan.steps[0]
    print(f"{plan.name}: {first.rate:g} submissions/s for {first.seconds:g} s at {asked.host}", flush=True)

    def run(client: Client) -> Outcome:
        generator = Generator(lambda story, clock, sleep: tell(client, story, clock, sleep), _say)
        return conduct(plan, by, generator, compared, _say)

    outcome = with_client(asked, run)
    lines = judgement.judge(by, outcome)
    print()
    for line in table.ramp_table(by, outcome) if plan.ramp else table.table(outcome.steps[0][1]):
        print(line)
    print(f"\nVerdict (the generator used {outcome.cpu_share:.0%} of a processor)")
    for line in table.verdict(lines):
        print(line)
    found = report.report(asked, by, outcome, lines)
    (asked.reports / "report.json").write_text(json.dumps(found, indent=1) + "\n")
    (asked.reports / "report.html").write_text(page.page(found, list(table.verdict(lines))))
    print("\n  loadtest/reports/report.html and report.json")
    return judgement.exit_code(lines)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
