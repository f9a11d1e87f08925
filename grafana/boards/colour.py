"""One meaning, one colour, on every panel. Grafana takes hexadecimal colours, and so does the picture."""

GREEN, YELLOW, ORANGE, RED = "#4d9a3a", "#d9a400", "#e0752d", "#c4162a"
LIGHT_GREEN = "#98cf86"
BLUE, LIGHT_BLUE, PURPLE, GREY = "#2f6fdb", "#7fb0f0", "#8a4fd0", "#8e939c"
CLEAR = "transparent"
PLAIN = "#3a5078"  # a number that is neither good nor bad

QUANTILES = {"p50": LIGHT_BLUE, "p95": BLUE, "p99": PURPLE}
STATUSES = {"202": GREEN, "200": LIGHT_GREEN, "3..": LIGHT_BLUE, "429": YELLOW, "499": GREY, "5..": RED}
OUTCOMES = {
    "succeeded|accepted": GREEN,
    "retried|replayed": YELLOW,
    "failed": RED,
    "cancelled|rejected": GREY,
    "released": LIGHT_BLUE,
    "lease_expired": ORANGE,
    "fenced": PURPLE,
}
STATES = {
    "queued": BLUE,
    "scheduled|waiting": LIGHT_BLUE,
    "running|busy": ORANGE,
    "succeeded|free": GREEN,
    "failed": RED,
    "cancelled": GREY,
}
WORKERS = {"worker 0": BLUE, "worker 1": ORANGE, "worker 2": GREEN, "worker 3": PURPLE}
