"""Bucket edges in seconds by histogram. Made by `make slo` from slo.yaml: each threshold that is judged is an edge,
as a ratio is exact only there."""

# fmt: off
EDGES: dict[str, tuple[float, ...]] = {
    "http_request_duration_seconds": (
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ),
    "job_submit_seconds": (
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ),
    "job_wait_seconds": (
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
    ),
}
