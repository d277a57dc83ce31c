"""Command line: `python -m rehearsal --app DIR --scenario FILE` and `python -m rehearsal iam`."""

import sys

try:
    if sys.argv[1:2] == ["iam"]:
        from rehearsal.iam.cli import main as decide

        sys.exit(decide(sys.argv[2:]))
    from rehearsal.scenario.cli import main
except ModuleNotFoundError as missing:
    print(f"rehearsal: the Python package {missing.name} is missing: run `make setup` first", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
