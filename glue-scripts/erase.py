"""Entry script of the erase job: removes what the lake holds about data subjects who asked for it, and proves it."""

import sys

from lakejobs.erase.job import main

if __name__ == "__main__":
    main(sys.argv[1:])
