"""No secrets in logs and spans: values of fields and query parameters that are named like one are replaced, and what
has the form of an API key, wherever a client put it."""

import re
from functools import lru_cache
from urllib.parse import unquote_plus

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(r"authorization|cookie|api[-_]?key|passw(or)?d|token|secret|credential", re.IGNORECASE)
_KEY = re.compile(rb"jobskey(?:_|%5[Ff])[A-Za-z0-9_%-]{20,}")  # as `service.api.auth` makes them; in URLs, encoded
_BEARER = re.compile(r"\b(bearer)\s+[A-Za-z0-9._~+/=-]{4,}", re.IGNORECASE)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def redact_query(query: str) -> str:
    """`a=1&token=x` becomes `a=1&token=[redacted]`; names are compared decoded, so `t%6Fken` does not get through."""
    query = redact_keys(query)
    if "=" not in query:
        return query
    return "&".join(_redact_parameter(parameter) for parameter in query.split("&"))


def redact_url(url: str) -> str:
    head, mark, query = redact_keys(url).partition("?")
    return f"{head}?{redact_query(query)}" if mark else url


def redact_text(text: str) -> str:
    """Free text, such as a traceback: a bearer token in it is replaced."""
    return redact_keys(_BEARER.sub(rf"\1 {REDACTED}", text))


def redact_keys(text: str) -> str:
    return (
        without_keys(text.encode(errors="surrogatepass")).decode(errors="surrogatepass") if "jobskey" in text else text
    )


def without_keys(written: bytes) -> bytes:
    """Of a whole line: a key may also stand where nobody would look, such as the name of a field."""
    return _KEY.sub(REDACTED.encode(), written) if b"jobskey" in written else written


def _redact_parameter(parameter: str) -> str:
    name, mark, _ = parameter.partition("=")
    return f"{name}={REDACTED}" if mark and is_secret(unquote_plus(name)) else parameter
