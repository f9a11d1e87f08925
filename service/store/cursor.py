"""The opaque cursor of a page: the sequence number of its last job, as 16 hexadecimal digits."""

import re

from service.domain.ports import BadCursor

BEFORE_ALL = 2**63 - 1
"""The position of the first page: newer than every job."""


def encode(seq: int) -> str:
    return f"{seq:016x}"


def decode(cursor: str | None) -> int:
    """The position after which the page begins. Raises `BadCursor`."""
    if cursor is None:
        return BEFORE_ALL
    if not re.fullmatch("[0-7][0-9a-f]{15}", cursor):
        raise BadCursor("not a cursor")
    return int(cursor, 16)
