"""Who is compared, with what each promises. This service comes first: ratios are its figures to theirs."""

from dataclasses import replace

from bench.peers import servers
from bench.peers.peer import Peer

EVERY_SECOND = "in Redis' memory; on disk within about a second (AOF everysec)"

SERVICE = Peer(
    name="this service",
    module="this_service",
    server=servers.file_and_sink,
    packages=["fastapi", "uvicorn", "sqlalchemy"],
    program="",
    concurrency=128,
    jobs=50_000,
    durability="on disk: fsync (SQLite, synchronous=FULL, group commit)",
    promise="at least once; a late finish is refused (fenced)",
    after_kill="its lease expires after 30 s",
)
QUEUE = replace(SERVICE, name="this service's queue")
"""Without the service around it: behind the same bare POST as the others."""

ARQ = Peer(
    name="arq, AOF everysec",
    module="arq",
    server=servers.redis_everysec,
    packages=["arq", "redis", "hiredis", "uvloop"],
    program="redis-server",
    concurrency=100,
    jobs=10_000,
    durability=EVERY_SECOND,
    promise="at least once; a late finish is not fenced",
    after_kill="the key that says it runs expires after job_timeout + 10 s = 310 s",
)
ARQ_ALWAYS = replace(
    ARQ,
    name="arq, AOF always",
    server=servers.redis_always,
    jobs=5_000,
    durability="on disk: fsync (AOF always)",
)
HUEY = Peer(
    name="huey",
    module="huey",
    server=servers.file,
    packages=["huey"],
    program="",
    concurrency=2,
    jobs=20_000,
    durability="on disk: fsync (SQLite, synchronous=FULL, a transaction each)",
    promise="at most once: a job leaves the file before it runs",
    after_kill="never: it is gone",
)
PROCRASTINATE = Peer(
    name="procrastinate",
    module="procrastinate",
    server=servers.postgres,
    packages=["procrastinate", "psycopg", "psycopg-binary", "psycopg-pool", "uvloop"],
    program="postgres",
    concurrency=5,
    jobs=2_500,
    durability="on disk: fsync (PostgreSQL, synchronous_commit=on)",
    promise="at most once by default; code of one's own may retry stalled jobs; a late finish is not fenced",
    after_kill="never by itself: it stays 'doing'",
)
SAQ = Peer(
    name="SAQ",
    module="saq",
    server=servers.redis_everysec,
    packages=["saq", "redis", "hiredis", "uvloop"],
    program="redis-server",
    concurrency=100,
    jobs=8_000,
    durability=EVERY_SECOND,
    promise="at most once by default (retries=1), at least once with more; a late finish is not fenced",
    after_kill="swept once its timeout of 10 s is over (a sweep every 60 s), then aborted as retries=1",
)
DRAMATIQ = Peer(
    name="dramatiq",
    module="dramatiq",
    server=servers.redis_everysec,
    packages=["dramatiq", "redis", "hiredis"],
    program="redis-server",
    concurrency=32,
    jobs=20_000,
    durability=EVERY_SECOND,
    promise="at least once; a late acknowledgement changes nothing (fenced)",
    after_kill="a heartbeat older than 60 s, seen in maintenance: by chance, at 0.1 % of the commands",
)
CELERY = Peer(
    name="Celery, acks_late",
    module="celery",
    server=servers.redis_everysec,
    packages=["celery", "kombu", "redis", "hiredis"],
    program="redis-server",
    concurrency=2,
    jobs=4_000,
    durability=EVERY_SECOND,
    promise="at least once; a late finish is not fenced",
    after_kill="visibility_timeout, 3,600 s",
)
PEERS = (SERVICE, ARQ, ARQ_ALWAYS, HUEY, PROCRASTINATE, SAQ, DRAMATIQ, CELERY)
SMOKED = (SERVICE, ARQ_ALWAYS, HUEY)
"""Enough to see that the comparison works: one with a server, one without."""
