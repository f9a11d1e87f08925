"""What a step from one schema to the next takes away from the code that works on the first."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from service.store import revision
from service.store.driver import sqlite3

Rows = dict[tuple[str, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class Schema:
    oldest: str
    tables: Rows = field(default_factory=dict)  # name → without rowid, strict, number of checks
    columns: Rows = field(default_factory=dict)  # table, name → type, not null, default, place in the primary key
    indexes: Rows = field(default_factory=dict)  # name → table, unique, columns, text; the code names some: INDEXED BY
    triggers: Rows = field(default_factory=dict)  # name → text
    references: Rows = field(default_factory=dict)  # table, column, table, column → what a deletion does


def schema_of(connection: sqlite3.Connection) -> Schema:
    schema = Schema(oldest=revision.oldest(connection))
    texts = {
        name: (kind, " ".join((sql or "").split()))
        for name, kind, sql in connection.execute("SELECT name, type, sql FROM sqlite_master")
    }
    schema.triggers.update({(name,): (text,) for name, (kind, text) in texts.items() if kind == "trigger"})
    for table, without_rowid, strict in connection.execute(
        "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
    ).fetchall():
        checks = len(re.findall(r"\bCHECK\b", texts[table][1], re.IGNORECASE))
        schema.tables[table,] = (without_rowid, strict, checks)
        for name, *row in connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)', (table,)
        ):
            schema.columns[table, name] = tuple(row)
        for name, unique in connection.execute('SELECT name, "unique" FROM pragma_index_list(?)', (table,)).fetchall():
            columns = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,)).fetchall()
            _, text = texts.get(name, ("", ""))  # none for a primary key's own
            schema.indexes[name,] = (table, unique, tuple(column for (column,) in columns), text)
        for *row, on_delete in connection.execute(
            'SELECT "from", "table", coalesce("to", \'\'), on_delete FROM pragma_foreign_key_list(?)', (table,)
        ):
            schema.references[table, *row] = (on_delete,)
    return schema


def contractions(before: Schema, after: Schema) -> list[str]:
    """Empty: code for the schema before works on the one after."""
    return [*_taken_or_changed(before, after), *_demanded(before, after)]


def _taken_or_changed(before: Schema, after: Schema) -> Iterator[str]:
    for what in ("tables", "columns", "indexes", "triggers", "references"):
        had, has = getattr(before, what), getattr(after, what)
        for key, value in had.items():
            if key not in has:
                yield f"{what}: {'.'.join(key)} is gone"
            elif has[key] != value:
                yield f"{what}: {'.'.join(key)} was {value}, is {has[key]}"


def _demanded(before: Schema, after: Schema) -> Iterator[str]:
    """Of rows in tables that the old code knows; it leaves new columns out."""
    new = {key: row for key, row in after.columns.items() if key not in before.columns and key[:1] in before.tables}
    for (table, column), (_, required, default, _) in new.items():
        if required and default is None:
            yield f"columns: {table}.{column} must be given, and has no default"
    empty = {key for key, (_, required, default, _) in new.items() if not required and default is None}
    for (name,), (table, unique, columns, _) in after.indexes.items():
        demands = unique and (name,) not in before.indexes and (table,) in before.tables
        if demands and not empty & {(table, column) for column in columns}:
            yield f"indexes: {name} makes {columns} unique, which it was not"
    for table, column, *target in after.references:
        if (table, column, *target) not in before.references and (table, column) in before.columns:
            yield f"references: {table}.{column} must now be in {'.'.join(target)}"
