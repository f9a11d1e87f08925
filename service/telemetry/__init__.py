"""What can be seen from outside: logs, metrics and traces, one of each per request and per attempt.

Read in this order: `telemetry` (the whole), `http` and `jobs` (what is observed), then `logging`, `metrics`, `tracing`.
"""

from service.telemetry.telemetry import Telemetry

__all__ = ["Telemetry"]
