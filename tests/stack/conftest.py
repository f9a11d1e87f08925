"""One story for all checks of `make verify`."""

from collections.abc import Iterator

import pytest

from tests.stack.running import Stack
from tests.stack.story import Story, tell


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    stack = Stack()
    yield stack
    stack.client.close()


@pytest.fixture(scope="session")
def story(stack: Stack) -> Story:
    return tell(stack)
