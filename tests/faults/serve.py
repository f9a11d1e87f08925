"""`python -m service` with the kinds of the experiments beside its own: `python -m tests.faults.serve`."""

import sys
from unittest.mock import patch

from tests.faults.kinds import application

if __name__ == "__main__":
    from service.__main__ import main

    with patch("service.__main__.application", application):
        sys.exit(main(sys.argv[1:]))
