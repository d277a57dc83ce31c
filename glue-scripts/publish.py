"""Entry script of the publish job: rebuilds the curated tables whose inputs or SQL have changed."""

import sys

from lakejobs.publish.job import main

if __name__ == "__main__":
    main(sys.argv[1:])
