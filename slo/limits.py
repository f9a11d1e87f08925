"""What the load test judges by, as JSON: its container has this file and no other of the project."""

import json

from slo.document import Document


def limits(document: Document) -> str:
    return _written(
        {
            "about": "made by `make slo` from slo.yaml",
            "submissions_per_second": document.rate,
            "least_rate_share": document.least_rate_share,
            "objectives": {
                objective.name: {
                    "ratio": objective.ratio,
                    "promise": objective.promise,
                    "metric": objective.threshold and objective.threshold.metric,
                    "threshold_seconds": objective.threshold and objective.threshold.seconds,
                }
                for objective in document.objectives
            },
            "edges": document.edges,
        }
    )


def _written(found: object) -> str:
    return json.dumps(found, indent=1) + "\n"
