#!/bin/sh
# `make check`: every check runs, so that one call shows all faults; the exit code tells whether any failed.
set -u
cd "$(dirname "$0")/../.."
bin=.venv/bin
failed=
step() {
  name=$1
  shift
  if "$@"; then
    printf '  %-18s ok\n' "$name"
  else
    printf '  %-18s FAILED\n' "$name"
    failed="$failed $name"
  fi
}
in_web() { (cd "web/$1" && shift && PATH="$PWD/../../build/node/path:$PATH" "$@"); }

step ruff $bin/ruff check --quiet
step format $bin/ruff format --quiet --check --diff
step mypy $bin/mypy --no-error-summary
step structure $bin/python -m infra.checks
step compose $bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
if [ -d web/console/node_modules ]; then
  step eslint in_web console npm run --silent lint
  step vue-tsc in_web console npm run --silent typecheck
fi
if [ -d web/verify/node_modules ]; then
  step "eslint verify" in_web verify npm run --silent lint
  step "tsc verify" in_web verify npm run --silent typecheck
  step "vitest verify" in_web verify npm run --silent test -- --reporter=dot --silent
fi
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
