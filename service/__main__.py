"""The commands: `python -m service [serve | check | ping | api-key | backup | restore] [--setting value …]`.

Read top to bottom: settings are read once, judged, the database is migrated once here in the parent, and uvicorn's
supervisor spawns the workers, each of which calls `create_app` with these very settings.

The commands import what they need themselves: `ping` is a health check that runs every few seconds, and loading the
whole service for it would cost a second of CPU each time.
"""

import argparse
import http.client
import json
import logging
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from service.asgi import application
from service.settings import Settings, StackSettings, TelemetryEnvironment, read_settings

USAGE_EXIT_CODE = 2
KEEP_ALIVE_SECONDS = 75  # longer than the proxy keeps an idle connection: the one that may reuse it must close it
IN_FLIGHT_SECONDS = 5
PING_SECONDS = 4


def serve(arguments: Sequence[str]) -> int:
    """Run the service until SIGTERM or Ctrl-C."""
    from uvicorn import Config
    from uvicorn.config import STARTUP_FAILURE

    from service.domain.job import StorageUnavailable
    from service.store.migrations import migrate
    from service.supervisor import Supervisor
    from service.telemetry.logging import configure_logging, get_logger

    settings = _checked(read_settings(arguments))
    configure_logging(format=settings.log_format, level=settings.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        migrate(settings.database_path)
        listener = socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=2048,
        )
    except StorageUnavailable as problem:
        return _refuse([f"SERVICE_DATABASE_URL: {problem}"])
    except OSError as error:
        return _refuse([f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port"])
    _allow_connections()
    with _runtime_dir(settings) as runtime_dir, listener:
        settings = settings.model_copy(update={"runtime_dir": runtime_dir})
        config = Config(
            partial(application, settings, TelemetryEnvironment().traces_url),
            factory=True,
            workers=settings.workers,
            loop="auto",
            http="service.connection:BoundedConnection",  # by name: the supervisor need not load it
            ws="none",
            lifespan="on",
            log_config=None,  # configured by create_app, in one shape with everything else
            access_log=False,
            server_header=False,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=IN_FLIGHT_SECONDS,
            timeout_worker_healthcheck=30,  # a busy worker that answers late must not be killed with its jobs
        )
        host, port = listener.getsockname()[:2]
        get_logger().info("service_listening", url=f"http://{host}:{port}", workers=settings.workers)
        # Under the supervisor also for one worker: a plain server would exit with 143 at SIGTERM.
        supervisor = Supervisor(config, [listener])
        supervisor.run()
    # The supervisor itself exits 0 when its workers could not start.
    failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    return STARTUP_FAILURE if failed else 0


def check_command(arguments: Sequence[str]) -> int:
    """Judge settings and secrets, exit 2 if any is wrong; `--stack`: and the stack, `--beside`: and what serves now."""
    from service import check

    settings = read_settings([each for each in arguments if each not in {"--stack", "--beside"}])
    found = check.problems(settings)
    if "--stack" in arguments:
        found += check.stack_problems(settings, StackSettings())
    if "--beside" in arguments:
        found += check.problems_beside(settings)
    for notice in check.notices(settings):
        print(f"note: {notice}")
    if found:
        return _refuse(found)
    print(f"ok: these settings can serve in {settings.environment}")
    return 0


def ping(arguments: Sequence[str]) -> int:
    """Ask the service on this machine whether it is ready; the container's health check."""
    settings = read_settings(arguments)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.port, timeout=PING_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return _refuse([f"no answer from {host}:{settings.port}: {error}"], code=1)
    finally:
        connection.close()
    print(body)
    return 0 if answer.status == http.HTTPStatus.OK else 1


def api_key(arguments: Sequence[str]) -> int:
    """Make an API key: the key goes to its user, the line into SERVICE_API_KEYS_FILE."""
    from service.api.auth import new_key

    parser = argparse.ArgumentParser(prog="python -m service api-key", description=api_key.__doc__)
    parser.add_argument("name", help="what the key is called, as in ada-laptop")
    parser.add_argument("user_id", help="whose jobs it may see")
    parser.add_argument("--operator", action="store_true", help="may ask for a request to be traced")
    parser.add_argument("--json", action="store_true", help="print both as JSON")
    options = parser.parse_args(arguments)
    try:
        key, line = new_key(options.name, options.user_id, operator=options.operator)
    except ValueError:
        return _refuse(["names have letters, digits, dots, dashes and underscores, at most 64"])
    if options.json:
        print(json.dumps({"key": key, "line": line}))
        return 0
    print(f"key (shown only now):            {key}\nline for SERVICE_API_KEYS_FILE:  {line}")
    return 0


def backup(arguments: Sequence[str]) -> int:
    """Back the database up on schedule, each copy verified by restoring it; `--once`: one now."""
    from service.backup import command

    return command.backup(arguments)


def restore(arguments: Sequence[str]) -> int:
    """Put a backup in the place of the database, which nobody may have open: a path, a name, `newest`, or `-`."""
    from service.backup import command

    return command.restore(arguments)


def make_secrets(arguments: Sequence[str]) -> int:
    """Make strong secrets for a stack, as files of a new folder; says what is left to do."""
    from service import credentials

    parser = argparse.ArgumentParser(prog="python -m service secrets", description=make_secrets.__doc__)
    parser.add_argument("folder", type=Path, help="as in secrets/production, which git ignores")
    parser.add_argument("--user", default="operator", help="whose API key is made")
    parser.add_argument("--webhook-url", default="", help="where pages and tickets go")
    parser.add_argument("--heartbeat-url", default="", help="who raises the alarm when the heartbeat stops")
    options = parser.parse_args(arguments)
    try:
        to_do = credentials.make(
            options.folder, user=options.user, webhook_url=options.webhook_url, heartbeat_url=options.heartbeat_url
        )
    except OSError as problem:
        return _refuse([str(problem)])
    print(f"made {options.folder}", *(f"  {number}. {each}" for number, each in enumerate(to_do, start=1)), sep="\n")
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "serve": serve,
    "check": check_command,
    "ping": ping,
    "api-key": api_key,
    "secrets": make_secrets,
    "backup": backup,
    "restore": restore,
}


def main(arguments: Sequence[str]) -> int:
    name, rest = (arguments[0], arguments[1:]) if arguments and arguments[0][:1] != "-" else ("serve", arguments)
    if name not in COMMANDS:
        return _refuse([f"no command {name!r}", *(f"{each}: {run.__doc__}" for each, run in COMMANDS.items())])
    try:
        return COMMANDS[name](rest)
    except ValueError as problem:  # settings that cannot be read
        return _refuse(str(problem).splitlines())


def _checked(settings: Settings) -> Settings:
    from service import check

    if found := check.problems(settings):
        raise ValueError("\n".join(found))
    return settings


def _refuse(lines: Sequence[str], code: int = USAGE_EXIT_CODE) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code


def _allow_connections() -> None:
    """Each is an open file, and the usual soft limit of 1,024 is there for programs that use `select`: beyond it
    clients would be refused without a word. The workers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS calls its limit unlimited and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _runtime_dir(settings: Settings) -> Iterator[Path]:
    """The directory for sockets and locks: the one that is set, or a temporary one, removed at the end."""
    if settings.runtime_dir is not None:
        settings.runtime_dir.mkdir(parents=True, exist_ok=True)
        yield settings.runtime_dir
        return
    made = Path(tempfile.mkdtemp(prefix="jobs-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
