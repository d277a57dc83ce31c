"""Command line: `python -m rehearsal --app DIR --scenario FILE`."""

import sys

try:
    from rehearsal.scenario.cli import main
except ModuleNotFoundError as missing:
    print(f"rehearsal: the Python package {missing.name} is missing: run `make setup` first", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
