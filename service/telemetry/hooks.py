"""What Python itself would print on stderr, as log lines: uncaught exceptions and warnings."""

import logging
import sys
import threading
import warnings
from typing import Any, TextIO

from service.telemetry import callsite, plain


def install() -> None:
    log = logging.getLogger("python")

    def uncaught(kind: type[BaseException], error: BaseException, _: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("process_crashed", exc_info=error, extra={"source": callsite.of_error(error)})

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else None
            place = {"source": callsite.of_error(args.exc_value), "fields": {"thread": name}}
            log.error("thread_crashed", exc_info=args.exc_value, extra=place)

    def unraisable(args: Any) -> None:
        fields = {"object": plain.flat(args.object), "problem": args.err_msg}
        place = {"source": callsite.of_error(args.exc_value), "fields": fields}
        log.error("exception_ignored", exc_info=args.exc_value, extra=place)

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        place = {"source": callsite.of_warning(filename, lineno), "fields": {"category": category.__name__}}
        logging.getLogger("py.warnings").warning("%s", message, extra=place)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
    warnings.showwarning = warned
