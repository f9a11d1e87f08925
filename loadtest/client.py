"""Locust's part: one user, whose client all stories share, and whose only task is the whole test."""

from collections.abc import Callable
from typing import TypeVar

from gevent.event import AsyncResult
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

from loadtest.generator import MOST_IN_FLIGHT
from loadtest.settings import Settings
from loadtest.story import Client

Outcome = TypeVar("Outcome")


def with_client(settings: Settings, conduct: Callable[[Client], Outcome]) -> Outcome:
    """What `conduct` returns or raises, in the greenlet of Locust's user."""
    outcome = AsyncResult()

    class Submitter(FastHttpUser):  # type: ignore[misc]  # Locust's types are in its image only
        host = settings.host
        insecure = settings.local
        concurrency = MOST_IN_FLIGHT  # of connections; documented for greenlets that share a client
        default_headers = {"Authorization": f"Bearer {settings.key}"}  # noqa: RUF012  Locust's own attribute

        @task  # type: ignore[untyped-decorator]
        def everything(self) -> None:
            try:
                outcome.set(conduct(self.client))
            except Exception as error:
                outcome.set_exception(error)
            raise StopUser

    environment = Environment(user_classes=[Submitter])
    runner = environment.create_local_runner()
    runner.start(user_count=1, spawn_rate=1)
    try:
        result: Outcome = outcome.get()
        return result
    finally:
        runner.quit()
