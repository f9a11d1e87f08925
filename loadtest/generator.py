"""The open model, on gevent: a greenlet for each arrival, whatever the server does. All share one client."""

import random
import time
from collections.abc import Callable

import gevent
from gevent.pool import Pool

from loadtest import series
from loadtest.samples import Measured, Story
from loadtest.scenario import Step
from loadtest.schedule import arrivals, dispatch, follow_every

MOST_IN_FLIGHT = 2000  # stories. Beyond, arrivals are dropped and lower the rate: memory and connections have an end.
DRAIN_SECONDS = 60.0
PROGRESS_SECONDS = 5.0
RECENT = 20_000  # stories that a line of progress looks through

Tell = Callable[[Story, Callable[[], float], Callable[[float], None]], None]
clock = time.perf_counter


class Generator:
    def __init__(self, tell: Tell, say: Callable[[str], None], seed: int = 1) -> None:
        self._tell = tell
        self._say = say
        self._chance = random.Random(seed)

    def run(self, step: Step) -> Measured:
        """Returns when every story has ended, or was cut short after `DRAIN_SECONDS`."""
        times = arrivals(step.rate, step.seconds, self._chance)
        every = follow_every(step.rate)
        pool = Pool(MOST_IN_FLIGHT)
        measured = Measured(step, clock())

        def begin(due: float) -> None:
            if pool.free_count() == 0:
                measured.dropped += 1
                return
            story = Story(due, followed=len(measured.stories) % every == 0)
            measured.stories.append(story)
            pool.spawn(tell, story)

        def tell(story: Story) -> None:
            self._tell(story, clock, gevent.sleep)
            measured.failed += len(story.failures)

        talking = gevent.spawn(self._progress, measured, pool)
        dispatch(times, begin, clock, gevent.sleep)
        if (left := measured.start + step.seconds - clock()) > 0:
            gevent.sleep(left)
        pool.join(timeout=DRAIN_SECONDS)
        gevent.killall([talking])
        pool.kill()
        for story in measured.stories:
            story.cut_short()
        return measured

    def _progress(self, measured: Measured, pool: Pool) -> None:
        last = measured.start
        while True:
            gevent.sleep(PROGRESS_SECONDS)
            now = clock()
            latest = [story for story in measured.stories[-RECENT:] if last < story.answered <= now]
            self._say(series.progress(now - measured.start, measured, latest, now - last, len(pool)))
            last = now
