"""`make verify`: the compose policy over the containers that run: what Docker says of each, and what it finds inside.

compose.yaml may say what it likes: what counts is what the kernel enforces.
"""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stack.compose import ROOT
from tests.stack.policy import EXCEPTIONS, HOST_PATHS, ROOT_GROUP
from tests.stack.running import LOCAL_NAMES, Stack

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("on_this_machine")]

Json = dict[str, Any]

NET_BIND_SERVICE = 1 << 10
ADDED = {"caddy": NET_BIND_SERVICE}
PROCESSES = "cat /proc/[0-9]*/status"
CGROUP = """cd /sys/fs/cgroup; for file in memory.max pids.max cpu.max \
memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us; do
test -r $file && echo $file $(cat $file); done; true"""
"""Version 2, then version 1."""


@pytest.fixture
def on_this_machine(stack: Stack) -> None:
    if not stack.local:
        pytest.skip("the containers are on another machine; run `make verify` there")


def output(*command: str) -> str:
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{command}: {found.stderr}"
    return found.stdout


@functools.cache
def containers() -> dict[str, Json]:
    """What Docker says of each, by its service; of several, the name has a number."""
    ids = output("docker", "compose", "ps", "--all", "--quiet").split()
    assert ids, "no container of this project; start the stack with `make up`"
    found: list[Json] = json.loads(output("docker", "inspect", *ids))
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}


def running() -> dict[str, Json]:
    return {name: each for name, each in containers().items() if each["State"]["Running"]}


@functools.cache
def configured() -> Json:
    """What Compose makes of compose.yaml, this shell and `.env`: what the containers were to be."""
    document: Json = json.loads(output("docker", "compose", "--profile", "*", "config", "--format", "json"))
    return document


def inside(container: Json, script: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    as_user = ["--user", user] if user else []
    command = ["docker", "exec", *as_user, container["Id"], "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def excused(rule: str) -> set[str]:
    return {name for name, excuse in EXCEPTIONS if excuse == rule}


def test_every_service_of_the_stack_runs() -> None:
    wanted = {name for name, service in configured()["services"].items() if not service.get("profiles")}
    wanted -= {name for name, service in configured()["services"].items() if service.get("scale") == 0}
    assert wanted - excused("a health check") <= running().keys()


def test_no_process_is_root_or_may_become_it() -> None:
    for name, container in running().items():
        seen = inside(container, PROCESSES).stdout
        statuses = [
            dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            for status in seen.split("Name:")
            if "Uid:" in status
        ]
        assert len(statuses) >= 2, f"{name}: the init and what it runs; seen: {seen}"
        for status in statuses:
            assert 0 not in {int(uid) for uid in status["Uid"].split()}, (name, status)
            assert 0 not in {int(gid) for gid in status["Gid"].split()} or name in ROOT_GROUP, (name, status)
            assert status["NoNewPrivs"] == "1", (name, status)
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(status[kind], 16) & ~ADDED.get(name, 0) == 0, (name, kind, status)
            assert status["Seccomp"] == "2", (name, status)
    assert ADDED.keys() <= excused("no added capability")


def test_nobody_can_write_into_a_root_file_system() -> None:
    """Not even as root, and not by mounting it again."""
    for name, container in running().items():
        assert container["HostConfig"]["ReadonlyRootfs"], name
        for place in ("/", "/etc/", "/usr/bin/"):
            tried = inside(container, f"touch {place}written-by-a-test", user="0:0")
            assert tried.returncode != 0, (name, place)
            assert "Read-only file system" in tried.stderr, (name, tried.stderr)
        mounted = inside(container, "cat /proc/mounts").stdout
        (root,) = [line.split() for line in mounted.splitlines() if line.split()[1] == "/"]
        assert "ro" in root[3].split(","), name
        assert inside(container, "mount -o remount,rw /", user="0:0").returncode != 0, name


def test_the_kernel_enforces_the_limits_of_compose() -> None:
    for name, container in running().items():
        wanted = configured()["services"][name]
        seen = dict(line.split(" ", 1) for line in inside(container, CGROUP).stdout.splitlines())
        memory = seen.get("memory.max") or seen["memory/memory.limit_in_bytes"]
        assert int(memory) == int(wanted["mem_limit"]), (name, seen)
        assert int(seen.get("pids.max") or seen["pids/pids.max"]) == wanted["pids_limit"], (name, seen)
        cpu = seen.get("cpu.max") or f"{seen['cpu/cpu.cfs_quota_us']} {seen['cpu/cpu.cfs_period_us']}"
        quota, period = map(int, cpu.split())
        assert quota / period == pytest.approx(float(wanted["cpus"])), (name, seen)


def test_docker_isolates_and_restarts_them_and_rotates_their_logs() -> None:
    for name, container in containers().items():
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"] or name in excused("no added capability"), name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"], name
        assert host["Init"], name
        for given in ("Devices", "DeviceRequests", "VolumesFrom"):
            assert not host[given], (name, given)
        for namespace in ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode"):
            assert host[namespace] != "host", (name, namespace)
            assert not host[namespace].startswith("container:"), (name, namespace)
        assert host["LogConfig"]["Type"] == "json-file", name
        assert {"max-size", "max-file"} <= host["LogConfig"]["Config"].keys(), name
        if name not in excused("restart unless stopped"):
            assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert container["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, name


def test_of_the_machine_they_see_the_clone_and_their_secrets_only() -> None:
    secrets = configured()["secrets"]
    for name, container in containers().items():
        wanted = configured()["services"][name]
        own_secrets = {
            Path(secrets[each["source"]]["file"]).resolve(): f"/run/secrets/{each['source']}"
            for each in wanted.get("secrets", [])
        }
        for mount in container["Mounts"]:
            if mount["Type"] != "bind":
                assert mount["Type"] in {"volume", "tmpfs"}, (name, mount)
                continue
            assert not mount["RW"] or name in excused("read-only binds"), (name, mount)
            source = Path(mount["Source"]).resolve()
            if source in own_secrets:
                assert mount["Destination"] == own_secrets[source], (name, mount)
            elif (name, mount["Source"]) not in HOST_PATHS:
                assert mount["Source"] in {each["source"] for each in wanted.get("volumes", [])}, (name, mount)
                assert not source.is_socket(), (name, mount)
                assert source != ROOT, "the whole clone, with its secrets"
                assert ROOT in source.parents or source == Path(configured_alertmanager()), (name, mount)
        found = inside(container, "ls /run/secrets").stdout.split() if container["State"]["Running"] else []
        assert set(found) <= {Path(each).name for each in own_secrets.values()}, name


def configured_alertmanager() -> str:
    """ALERTMANAGER_FILE may be anywhere."""
    volumes = configured()["services"]["alertmanager"]["volumes"]
    return str(next(each["source"] for each in volumes if each["target"] == "/etc/alertmanager/alertmanager.yml"))


def test_only_caddy_is_published_elsewhere_than_on_loopback() -> None:
    for name, container in containers().items():
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values():
            for binding in bindings:
                assert binding["HostIp"] in LOCAL_NAMES or name == "caddy", (name, binding)
        assert not container["HostConfig"]["PublishAllPorts"], name
