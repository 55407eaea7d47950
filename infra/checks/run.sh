#!/bin/sh
# `make check`: every check runs, so that one call shows all faults; the exit code tells whether any failed.
# What is Python's and what is the web's run side by side.
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
end() { [ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }; }
in_web() { (cd "web/$1" && shift && PATH="$PWD/../../build/node/path:$PATH" "$@"); }

python_checks() {
  step ruff $bin/ruff check --quiet
  step format $bin/ruff format --quiet --check --diff
  step mypy $bin/mypy --no-error-summary
  step structure $bin/python -m infra.checks
  step compose $bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
  end
}

web_checks() {
  if [ -d web/console/node_modules ]; then
    step eslint in_web console npm run --silent lint
    step vue-tsc in_web console npm run --silent typecheck
  fi
  if [ -d web/verify/node_modules ]; then
    step "eslint verify" in_web verify npm run --silent lint
    step "tsc verify" in_web verify npm run --silent typecheck
    step "vitest verify" in_web verify npm run --silent test -- --reporter=dot --silent
  fi
  end
}

mkdir -p build
(web_checks) >build/check-web.log 2>&1 &
web=$!
(python_checks)
code=$?
wait "$web" || code=1
cat build/check-web.log
exit "$code"
