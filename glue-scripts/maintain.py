"""Entry script of the maintain job: compacts tables and removes what of their past nobody needs."""

import sys

from lakejobs.maintain.job import main

if __name__ == "__main__":
    main(sys.argv[1:])
