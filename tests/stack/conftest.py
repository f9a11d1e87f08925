"""One story for all checks of `make verify`."""

from collections.abc import Iterator

import pytest

from tests.stack.running import Stack
from tests.stack.story import Story, tell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The search for secrets comes after all that could have left one."""
    items.sort(key=lambda item: item.path.name == "test_verify_secrets.py")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    stack = Stack()
    yield stack
    stack.client.close()


@pytest.fixture(scope="session")
def story(stack: Stack) -> Story:
    return tell(stack)
