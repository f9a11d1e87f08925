"""What may be otherwise than the compose policy says, with the reason: in compose.yaml (test_compose_policy.py) and
in the containers that run (test_verify_containers.py). An entry that no longer excuses anything fails too."""

EXCEPTIONS = {
    ("preflight", "a health check"): "one shot: its exit code is its health",
    ("preflight", "restart unless stopped"): "one shot: `docker compose up` runs it again",
    ("preflight", "to wait for the preflight"): "it is the preflight",
    ("loadtest", "a health check"): "one shot: its exit code is its verdict",
    ("loadtest", "restart unless stopped"): "one shot: started by hand",
    ("loadtest", "to wait for the preflight"): "waits for Caddy, which waits for it",
    ("loadtest", "read-only binds"): "leaves its reports in the clone",
    ("caddy", "no added capability"): "the binary carries NET_BIND_SERVICE; without it exec fails on any port",
}

ROOT_GROUP = {"grafana": "its image's files belong to group 0, as Grafana's documentation has it"}

HOST_PATHS = {
    ("node-exporter", "/proc"): "the machine's load is what it measures",
    ("node-exporter", "/sys"): "the machine's devices are what it measures",
}
"""What a container sees of the machine beside the clone and the secret files."""
