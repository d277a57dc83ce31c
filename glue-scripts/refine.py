"""Entry script of the refine job: takes every batch of one run from raw objects to the cleaned tables."""

import sys

from lakejobs.refine.job import main

if __name__ == "__main__":
    main(sys.argv[1:])
