"""Entry script of the validate job: compares cleaned tables with the tables of a database that they are copies of."""

import sys

from lakejobs.validate.job import main

if __name__ == "__main__":
    main(sys.argv[1:])
