"""The sieve of Eratosthenes over one segment. Children of the pool import this module: it stays light."""

from math import isqrt


def count_primes(start: int, stop: int) -> int:
    """How many primes p have start <= p < stop. Takes `stop - start` bytes, and those below the root of `stop`."""
    return _sieve(start, stop).count(1)


def _sieve(start: int, stop: int) -> bytearray:
    """A flag for each number of [start, stop): 1 for a prime, else 0."""
    flags = bytearray(b"\x01") * max(0, stop - start)
    for small in range(start, min(stop, 2)):  # 0 and 1
        flags[small - start] = 0
    roots = _sieve(0, isqrt(stop - 1) + 1) if stop > 4 else b""
    for prime in range(2, len(roots)):
        if roots[prime]:
            first = max(prime * prime, -(-start // prime) * prime) - start
            flags[first::prime] = bytes(len(range(first, len(flags), prime)))
    return flags
