"""Where a log line comes from: `file:function:line`, the file as seen from the project or from site-packages."""

import sys
from functools import lru_cache
from pathlib import Path
from types import FrameType

_ROOT = str(Path(__file__).parents[2])


def of_frame(frame: FrameType | None) -> str:
    if frame is None:
        return "unknown"
    return of_place(frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno)


def of_place(file: str, function: str | None, line: int) -> str:
    return f"{_relative(file)}:{function or '-'}:{line}"


def of_caller(skip: tuple[str, ...]) -> str:
    """The nearest frame outside the modules whose names start with one of `skip`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(skip):
        frame = frame.f_back
    return of_frame(frame)


def of_error(error: BaseException | None) -> str:
    """Where it was raised."""
    step = error.__traceback__ if error is not None else None
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return (
        "unknown"
        if step is None
        else of_place(step.tb_frame.f_code.co_filename, step.tb_frame.f_code.co_name, step.tb_lineno)
    )


def of_warning(file: str, line: int) -> str:
    """A warning names its file and line; the function is that of the running frame which stands there."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_lineno == line and frame.f_code.co_filename == file:
            return of_frame(frame)
        frame = frame.f_back
    return of_place(file, None, line)


@lru_cache(maxsize=1024)
def _relative(file: str) -> str:
    roots = [root for root in (_ROOT, *sys.path) if root and file.startswith(root + "/")]
    return file[len(max(roots, key=len)) + 1 :] if roots else file
