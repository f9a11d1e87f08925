"""A batch of calls in one transaction: all of them share one commit, and a bad one fails alone."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.ports import Receipt
from service.store import driver
from service.store.driver import sqlite3
from service.store.statements import Transaction

Operation = Callable[[Transaction, Sequence[Any]], Sequence[Any]]
"""Runs many calls of one kind: transaction and arguments in, results in the same order out."""


NEVER = Receipt(batch_size=0, waited_seconds=0.0)


@dataclass(slots=True, eq=False)
class Call:
    """One caller's wish, and where it waits for the answer."""

    operation: Operation
    argument: Any
    future: "asyncio.Future[Any] | concurrent.futures.Future[Any]"
    asked_at: float = 0.0  # by the monotonic clock
    outcome: Any = None  # an exception is raised to the caller
    receipt: Receipt = NEVER
    durable: Callable[[Any], None] | None = None  # told the outcome in the writer's thread


def run(
    connection: sqlite3.Connection, calls: Sequence[Call], order: Sequence[Operation], verify: Callable[[], None]
) -> Transaction:
    """Commit the calls and set their outcomes. Raises, with nothing committed, when the storage fails.

    `verify` raises when the file is no longer at its path. It is asked before the commit, and after it: what was
    committed into a file moved in between must not be acknowledged.
    """
    verify()
    connection.execute("BEGIN IMMEDIATE")
    try:
        try:
            transaction = _grouped(connection, calls, order)
        except Exception as error:
            if driver.is_storage_failure(error):
                raise
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            transaction = _one_by_one(connection, calls)
        verify()
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    verify()
    return transaction


def _grouped(connection: sqlite3.Connection, calls: Sequence[Call], order: Sequence[Operation]) -> Transaction:
    transaction = Transaction(connection)
    for operation in order:
        group = [call for call in calls if call.operation is operation]
        if group:
            outcomes = operation(transaction, [call.argument for call in group])
            for call, outcome in zip(group, outcomes, strict=True):
                call.outcome = outcome
    return transaction


def _one_by_one(connection: sqlite3.Connection, calls: Sequence[Call]) -> Transaction:
    transaction = Transaction(connection)
    for call in calls:
        connection.execute("SAVEPOINT one")
        try:
            (call.outcome,) = call.operation(transaction, [call.argument])
        except Exception as error:
            if driver.is_storage_failure(error):
                raise
            call.outcome = error
            connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
    return transaction
