"""The opaque cursor of a page: the sequence number of its last job."""

import base64
import binascii
import re

from service.domain.ports import BadCursor

BEFORE_ALL = 2**63 - 1
"""The position of the first page: newer than every job."""


def encode(seq: int) -> str:
    return base64.urlsafe_b64encode(str(seq).encode()).decode().rstrip("=")


def decode(cursor: str | None) -> int:
    """The position after which the page begins. Raises `BadCursor`."""
    if cursor is None:
        return BEFORE_ALL
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise BadCursor("not a cursor") from error
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text) or encode(int(text)) != cursor:
        raise BadCursor("not a cursor")
    return int(text)
