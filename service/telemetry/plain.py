"""Any Python value as plain JSON data of bounded size. Nothing here raises: a log call must not break its caller."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from itertools import islice
from typing import Any

import orjson

from service.telemetry.redaction import REDACTED, is_secret

TEXT_LIMIT = 2048  # characters of a field
LONG_LIMIT = 16384  # characters of `detail` and `exception`
FIELDS_LIMIT = 64  # fields of a line
ITEMS_LIMIT = 100  # of a container in `detail`
DEPTH_LIMIT = 6  # of containers in `detail`

Scalar = str | int | float | bool | None


def flat(value: Any) -> Scalar:
    """A scalar; a container becomes its JSON text."""
    if type(value) is str:
        return value if len(value) <= TEXT_LIMIT else cut(value, TEXT_LIMIT)
    if value is None or value is True or value is False:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else text(value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else text(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return cut(_json_text(nested(value)), TEXT_LIMIT)
    return cut(text(value), TEXT_LIMIT)


def nested(value: Any, depth: int = DEPTH_LIMIT) -> Any:
    """The value with its structure, within the limits; secrets by name are left out."""
    try:
        if isinstance(value, Mapping):
            return cut(text(value), TEXT_LIMIT) if depth == 0 else _mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return cut(text(value), TEXT_LIMIT) if depth == 0 else _items(value, depth)
    except Exception:  # a mapping or sequence of somebody's own making
        return unprintable(value)
    return flat(value)


def detail(value: Any) -> Any:
    """`nested`, and its JSON of at most `LONG_LIMIT` characters; more becomes cut text."""
    if isinstance(value, str):
        return cut(text(value), LONG_LIMIT)
    plain = nested(value)
    written = _json_text(plain)
    return plain if len(written) <= LONG_LIMIT else cut(written, LONG_LIMIT)


def text(value: Any) -> str:
    try:
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value[:LONG_LIMIT]).decode("utf-8", "backslashreplace")
        if isinstance(value, date | time):
            return value.isoformat()
        return str(value)
    except Exception:
        return unprintable(value)


def unprintable(value: Any) -> str:
    return f"<unprintable {type(value).__name__}>"


def cut(long: str, limit: int) -> str:
    """The beginning and the end: a traceback says most in its last lines."""
    if len(long) <= limit:
        return long
    head = limit // 4
    return f"{long[:head]} …[{len(long) - limit} characters left out]… {long[head - limit :]}"


def escape_surrogates(value: Any) -> Any:
    """Plain data without lone surrogates, which no UTF-8 can hold: they become `\\udcff`."""
    return _mapped(value, lambda string: string.encode("utf-8", "backslashreplace").decode())


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): _mapped(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return value


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in islice(value.items(), ITEMS_LIMIT):
        name = cut(text(key), 256)
        plain[name] = REDACTED if is_secret(name) else nested(item, depth - 1)
    if len(value) > ITEMS_LIMIT:
        plain["…"] = f"{len(value) - ITEMS_LIMIT} more"
    return plain


def _items(value: Iterable[Any], depth: int) -> list[Any]:
    plain = [nested(item, depth - 1) for item in islice(value, ITEMS_LIMIT)]
    if (more := len(value) - ITEMS_LIMIT) > 0:  # type: ignore[arg-type]  # list, tuple and sets are sized
        plain.append(f"… {more} more")
    return plain


def _json_text(plain: Any) -> str:
    return orjson.dumps(escape_surrogates(plain), default=text).decode()
