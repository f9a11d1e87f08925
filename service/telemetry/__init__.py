"""What can be seen from outside: logs, metrics and traces, one of each per request and per attempt.

Read in this order: `telemetry` (the whole), `http` and `jobs` (what is observed), then `logging`, `metrics`, `tracing`.
"""
