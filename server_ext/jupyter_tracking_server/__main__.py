"""``python -m jupyter_tracking_server`` is ``jupyter tracking``."""

from __future__ import annotations

import sys

from jupyter_tracking_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
