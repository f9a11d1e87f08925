"""When submissions arrive: decided before the first one, so that a slow server is not asked less."""

import math
import random
from collections.abc import Callable, Sequence

FOLLOWED_PER_SECOND = 40


def arrivals(rate: float, seconds: float, chance: random.Random) -> Sequence[float]:
    """Seconds from the start, ascending: a Poisson process of which the number is known. They come in clumps,
    as strangers do, and yet are exactly as many as asked, so that a short test does not fail for a lack of luck."""
    return sorted(chance.uniform(0, seconds) for _ in range(round(rate * seconds)))


def follow_every(rate: float) -> int:
    """Of so many arrivals one client waits for its job; below `FOLLOWED_PER_SECOND` each does. At a high rate most do
    not, and the generator's own work stays small. What became of the others, the counters say."""
    return max(1, math.ceil(rate / FOLLOWED_PER_SECOND))


def dispatch(
    times: Sequence[float], begin: Callable[[float], None], clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Calls `begin` at each time, with the clock's value at which it was due. What is late begins at once."""
    start = clock()
    for at in times:
        due = start + at
        if (ahead := due - clock()) > 0:
            sleep(ahead)
        begin(due)
