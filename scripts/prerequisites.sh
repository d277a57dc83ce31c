#!/usr/bin/env bash
# Says in one line each what is missing; exits 1 if anything is.
missing=0
need() { printf 'missing: %s\n' "$1" >&2; missing=1; }

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || need "Linux on x86_64 (this is $(uname -s)-$(uname -m)): the locked wheels of Java, Node and PostgreSQL are for it"
if command -v go >/dev/null; then
  version=$(go env GOVERSION | sed 's/^go//')
  [ "$(printf '%s\n1.26\n' "$version" | sort -V | head -1)" = 1.26 ] || need "Go 1.26 or newer (found $version): https://go.dev/dl"
else
  need "Go 1.26 or newer (no go on the path): https://go.dev/dl"
fi
python=$(command -v python3.11 || command -v python3 || true)
if [ -z "$python" ]; then
  need "Python 3.11 (no python3 on the path)"
elif [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" != 3.11 ]; then
  need "Python 3.11, as Glue 5.1 has it (found $("$python" -V 2>&1)); put python3.11 on the path"
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  need "the venv module of Python 3.11 (Debian and Ubuntu: package python3.11-venv)"
fi
free=$(df -Pk . | awk 'NR==2{print int($4/1048576)}')
[ "$free" -ge 6 ] || need "6 GB of free disk here (found $free GB)"
exit $missing
