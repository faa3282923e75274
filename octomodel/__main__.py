"""``python -m octomodel``: the command line."""

import sys

from octomodel.cli import main

if __name__ == "__main__":
    sys.exit(main())
