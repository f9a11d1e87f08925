"""A compose stack of the drill's own: its project, volumes, ports and network are nobody else's, and are gone after it.

The user's `.env` does not choose anything here: above all not the place off this machine, which is not to be touched.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.processes.running import ROOT, free_port

PROJECT = "jobs-drill"
PARTS = ("service", "backup", "caddy")  # preflight comes along
PASSED_ON = ("PATH", "HOME", "IMAGE", "TAG", "CPU_LIMIT")


class Surprise(Exception):
    """Not what was to be expected."""


class Stack:
    def __init__(self, subnet: str) -> None:
        port = free_port()
        self.url = f"https://localhost:{port}"
        passed_on = {name: text for name, text in os.environ.items() if name in PASSED_ON or name[:6] == "DOCKER"}
        self._environment = passed_on | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "HTTP_PORT": str(free_port()),
            "HTTPS_PORT": str(port),
            "EDGE_SUBNET": subnet,
        }

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Nothing of it is there before, and nothing after."""
        self.compose("down", "--volumes", "--timeout", "5")
        try:
            yield
        finally:
            self.compose("down", "--volumes", "--timeout", "5")

    def build(self) -> None:
        self.compose("build", "--quiet", "service", "backup")

    def start(self) -> None:
        self.compose("up", "--detach", "--no-build", "--quiet-pull", "--wait", *PARTS)

    def backup(self) -> str:
        """The name of the new, verified backup."""
        return (
            self.compose("exec", "-T", "backup", "python", "-m", "service", "backup", "--once").split("/")[-1].strip()
        )

    def destroy(self) -> None:
        """The processes by SIGKILL, the volume with the database for good."""
        self.compose("kill", "service", "backup")
        self.compose("rm", "--force", "service", "backup", "preflight")
        self._docker("volume", "rm", f"{PROJECT}_data")

    def restore(self, backup: str) -> str:
        """What it said."""
        return self.compose("run", "--rm", "--no-deps", "-T", "backup", "restore", backup)

    def compose(self, *arguments: str) -> str:
        return self._docker("compose", "--env-file", "/dev/null", *arguments)

    def _docker(self, *arguments: str) -> str:
        command = ["docker", *arguments]
        found = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode:
            raise Surprise(f"{' '.join(command)}: {found.stderr.strip() or found.stdout.strip()}")
        return found.stdout
