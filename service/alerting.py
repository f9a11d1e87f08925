"""Judges Alertmanager's configuration: would an alert reach someone? Alertmanager only judges whether it can read it.

Text of a secret file never stands in a message: the address of a webhook is often its password.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ADDRESSES = ("url", "api_url", "webhook_url")  # also as …_file
# The sink, this machine, and the names that are kept for examples and tests (RFC 2606).
NOBODY = re.compile(r"(sink|(.+\.)?(localhost|invalid|test|example|example\.[a-z]+))?")
NO_PASSWORDS = {"", "dev-smtp"}  # the second is development's
SEVERITY = re.compile(r'\bseverity"?\s*(=~?)\s*"?([^",}]*)')

Config = Mapping[str, Any]


class Alertmanager:
    """A configuration as read. Raises `ValueError` if it is none, `OSError` if it cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            document = yaml.safe_load(path.read_text())
            self._smtp = {name: value for name, value in (document.get("global") or {}).items() if name[:5] == "smtp_"}
            self._routes = list(_tree(document["route"]))
            self._receivers: dict[str, Config] = {each["name"]: each for each in document["receivers"]}
        except (yaml.YAMLError, LookupError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name} is no configuration of Alertmanager: {error!r}") from None
        self._used = {route["receiver"] for route in self._routes if route.get("receiver")}

    def secret_files(self) -> set[Path]:
        """The files that its receivers are made of."""
        return {
            Path(value)
            for _, _, integration in self._integrations()
            for name, value in integration.items()
            if name.endswith("_file") and value
        }

    def problems(self) -> Iterator[str]:
        """Why an alert would reach nobody; empty: it reaches someone, as far as a configuration can say."""
        yield from self._severity_problems()
        for name in sorted(self._used):
            kinds = {kind for receiver, kind, _ in self._integrations() if receiver == name}
            if name not in self._receivers:
                yield f"receiver {name!r} is used by a route and is not there"
            elif not kinds:
                yield f"receiver {name!r} is a placeholder without any *_configs: its alerts reach nobody"
        for name, kind, integration in self._integrations():
            judge = _email_problems if kind == "email_configs" else _address_problems
            for problem in judge(integration):
                yield f"receiver {name!r}, {kind}: {problem}"

    def _severity_problems(self) -> Iterator[str]:
        page, heartbeat = self._receivers_of("page"), self._receivers_of("heartbeat")
        if not page:
            yield 'no route takes severity="page", which wakes someone; add one, as in alertmanager/alertmanager.yml'
        if not heartbeat:
            yield (
                'no route takes severity="heartbeat"; send it to a service that calls you when it stops, or nobody'
                " notices that the alerting itself is dead: docs/alerting.md"
            )
        if both := page & heartbeat:
            yield f"receiver {min(both)!r} gets pages and the heartbeat; the heartbeat needs one of its own"

    def _receivers_of(self, severity: str) -> set[str]:
        """Of the routes that ask for this severity by name."""
        return {route["receiver"] for route in self._routes if route.get("receiver") and _takes(route, severity)}

    def _integrations(self) -> Iterator[tuple[str, str, Config]]:
        """(receiver, kind, settings) of every way out that a route uses; for e-mail with the global settings below."""
        for name in sorted(self._used & self._receivers.keys()):
            for kind, found in self._receivers[name].items():
                if kind.endswith("_configs"):
                    for each in found or ():
                        below = {key.removeprefix("smtp_"): value for key, value in self._smtp.items()}
                        yield name, kind, (below if kind == "email_configs" else {}) | (each or {})


def _tree(route: Config, inherited: str = "") -> Iterator[Config]:
    """This route and all below it; a route without a receiver has its parent's."""
    receiver = route.get("receiver") or inherited
    yield {**route, "receiver": receiver}
    for child in route.get("routes") or ():
        yield from _tree(child, receiver)


def _takes(route: Config, severity: str) -> bool:
    asked = SEVERITY.findall("\n".join(route.get("matchers") or ()))
    asked += [("=", (route.get("match") or {}).get("severity")), ("=~", (route.get("match_re") or {}).get("severity"))]
    return any(
        re.fullmatch(value, severity) if operator == "=~" else value == severity for operator, value in asked if value
    )


def _address_problems(integration: Config) -> Iterator[str]:
    for name in ADDRESSES:
        if url := integration.get(name):
            yield from _nowhere(name, str(url))
        elif (path := integration.get(f"{name}_file")) and (url := _content(path)) is not None:
            yield from _nowhere(Path(path).name, url)


def _nowhere(name: str, url: str) -> Iterator[str]:
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    except ValueError:
        scheme, host = "", ""
    if scheme not in {"http", "https"}:
        yield f"{name} is {'no http or https address' if url else 'empty'}: put your receiver's address there"
    elif is_nobody(host):
        yield f"{name} leads to {host or 'no host'}, where nobody listens: put your own receiver's address there"


def _email_problems(integration: Config) -> Iterator[str]:
    if integration.get("require_tls") is False:
        yield "require_tls is false: alerts and the password would cross the network as plain text"
    for name in ("to", "from"):
        for address in str(integration.get(name) or "").split(","):
            if is_nobody(address.strip(" <>").rpartition("@")[2].rstrip("> ")):
                yield f"{name} is {address.strip() or 'not set'}: put a real address there"
    smarthost = str(integration.get("smarthost") or "")
    if is_nobody(smarthost.rpartition(":")[0]):
        yield f"smarthost is {smarthost or 'not set'}: put your mail server there, as host:port"
    if (path := integration.get("auth_password_file")) and _content(path) in NO_PASSWORDS:
        yield f"{Path(path).name} is empty or holds the well-known development password"


def _content(path: str) -> str | None:
    """None: it cannot be read, which is said for all secret files alike."""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def is_nobody(host: str) -> bool:
    """Whether nobody is woken by what is sent there."""
    bare = host.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(bare)
    except ValueError:
        return NOBODY.fullmatch(bare) is not None
    return address.is_loopback or address.is_unspecified
