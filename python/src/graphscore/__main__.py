"""`python -m graphscore`."""

import sys

from graphscore._cli import main

if __name__ == "__main__":
    sys.exit(main())
