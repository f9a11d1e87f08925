"""The bucket edges of the service's histograms, as a module of the service."""

import textwrap

from slo.document import Document

_HEAD = '''\
"""Bucket edges in seconds by histogram. Made by `make slo` from slo.yaml: each threshold that is judged is an edge,
as a ratio is exact only there."""

# fmt: off
EDGES: dict[str, tuple[float, ...]] = {
'''


def edges(document: Document) -> str:
    blocks = (f'    "{metric}": (\n{_wrapped(found)}\n    ),\n' for metric, found in sorted(document.edges.items()))
    return f"{_HEAD}{''.join(blocks)}}}\n"


def _wrapped(edges: tuple[float, ...]) -> str:
    text = ", ".join(map(str, edges)) + ","
    return textwrap.fill(text, 116, initial_indent=" " * 8, subsequent_indent=" " * 8)
