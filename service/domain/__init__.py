"""The inside of the hexagon: what a job is and how it lives. Standard library only, no telemetry, no I/O.

Read in this order: `job` (states and rules), `transition` (what each step makes of a job), `ports` (what the inside
needs from outside), `queue` (what the API may do), `worker` (how jobs are run), `execution` (one run of a handler).
"""
