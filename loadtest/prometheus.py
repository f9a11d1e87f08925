"""Prometheus, through Grafana's proxy: the same way into a stack on this machine and into a deployed one."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from loadtest import counters
from loadtest.limits import Limits
from loadtest.settings import Settings, Unusable

PROXY = "/grafana/api/datasources/proxy/uid/prometheus/api/v1/query"
SCRAPE_WITHIN_SECONDS = 60.0
UNFINISHED = 'max(jobs{state="queued"}) + max(jobs{state="running"})'
IDLE_WITHIN_SECONDS = 30  # then some other's jobs go on, or are scheduled for later
SETTLED_SECONDS = 0.5  # what the service counts after it answered is counted by then


class Prometheus:
    """Everything raises `Unusable`."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        login = base64.b64encode(f"admin:{settings.grafana_password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}"}
        self._settings = settings
        self._sleep = sleep

    def check(self, limits: Limits) -> None:
        """That it answers, and that the running service has the buckets that the objectives need."""
        found = self._counters()
        if not found:
            raise Unusable(
                "Prometheus has no metrics of the service yet. Wait a few seconds, or see its page /targets."
            )
        for objective in limits.objectives.values():
            if objective.metric and objective.threshold not in (edges := counters.edges(found, objective.metric)):
                raise Unusable(
                    f"{objective.name}: the threshold of {objective.threshold} s is no `le` of the running service's"
                    f" {objective.metric}, which has {', '.join(f'{edge:g}' for edge in sorted(edges)) or 'none'}."
                    " The service was deployed with another slo.yaml: deploy this one, or test with that one's."
                )

    def settled(self) -> counters.Counters:
        """The counters of a scrape that began after this call, and after the last job ended."""
        now = self._value("time()")
        for waited in range(round(SCRAPE_WITHIN_SECONDS)):
            scraped = self._value('min(timestamp(up{job="service"}) and up{job="service"} == 1)')
            young = scraped is not None and now is not None and scraped >= now + SETTLED_SECONDS
            if young and (waited >= IDLE_WITHIN_SECONDS or not self._value(UNFINISHED)):
                return self._counters()
            self._sleep(1)
        raise Unusable(
            f"Prometheus has not scraped the service for {SCRAPE_WITHIN_SECONDS:g} s: see its page /targets,"
            " or COMPARE=no"
        )

    def _counters(self) -> counters.Counters:
        return counters.parsed(self._query(counters.QUERY))

    def _value(self, query: str) -> float | None:
        found = self._query(query)
        if found and not isinstance(found[0], Mapping):  # a scalar: [time, value]
            return float(found[1])
        return float(found[0]["value"][1]) if found else None

    def _query(self, query: str) -> Any:
        status, body = get(self._settings, f"{PROXY}?{urllib.parse.urlencode({'query': query})}", self._headers)
        if status in {401, 403}:
            raise Unusable(
                f"{status}: {self._settings.host}/grafana does not take the password of `admin`. SECRETS_DIR names the"
                " folder with grafana_admin_password; Grafana keeps the one of its first start. Or COMPARE=no."
            )
        if status != 200:
            raise Unusable(
                f"{status}: no Prometheus behind {self._settings.host}/grafana. Is the whole stack up (`make up`)?"
                f" COMPARE=no leaves it out. It said: {body[:200].decode(errors='replace')}"
            )
        return json.loads(body)["data"]["result"]


def get(settings: Settings, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body. Raises `Unusable` if nothing answers."""
    context = ssl.create_default_context()
    if settings.local:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(settings.host + path, headers=dict(headers))  # noqa: S310  https or http: see settings
    try:
        with urllib.request.urlopen(request, timeout=15, context=context) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        hint = "Start the stack with `make up`, or set HOST."
        if "//localhost" in settings.host:
            hint = "In the test's container that is the container itself: leave HOST out for the stack of this machine."
        raise Unusable(f"Nothing answers at {settings.host} ({getattr(error, 'reason', error)}). {hint}") from None


def check_key(settings: Settings) -> None:
    """A wrong key must not cost five minutes."""
    status, body = get(settings, "/jobs?limit=1", {"Authorization": f"Bearer {settings.key}"})
    if status == 401:
        raise Unusable(
            f"401: the key in {settings.key_name} is not known to {settings.host}. Set API_KEY_FILE to one that is."
        )
    if status != 200:
        raise Unusable(
            f"{status}: {settings.host}/jobs is no jobs service, or it is not well: see {settings.host}/healthz and"
            f" `make logs`. It said: {body[:200].decode(errors='replace')}"
        )
