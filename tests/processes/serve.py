"""`python -m service` with the kinds of `tests.processes.kinds` beside its own: `python -m tests.processes.serve`."""

import sys
from unittest.mock import patch

from tests.processes.kinds import application

if __name__ == "__main__":
    from service.__main__ import main

    with patch("service.__main__.application", application):
        sys.exit(main(sys.argv[1:]))
