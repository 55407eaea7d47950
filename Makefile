# 网鉴 Wangjian. `make up` starts everything on this machine; `make help` lists the rest.
# Settings come from the environment: WANGJIAN_HOME (default ./var), WANGJIAN_PORT (default 8080).

WANGJIAN = .venv/bin/wangjian
PYTHON_IN_VENV = .venv/bin/python
# One test process a core (tests/sharding.py); ARGS="-n0 …" runs in one.
SHARDED = -n auto --dist loadfile --no-loadscope-reorder
ARGS ?=

.PHONY: help up down status test test-s3 test-all check bench tour clean lock install install-dev console replay

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: install console ## 安装所缺并启动平台 install what is missing and start (ARGS=--background, ARGS=--no-demo)
	@exec $(WANGJIAN) up $(ARGS)

down: ## 停止后台运行的平台 stop a platform running in the background
	@if [ -x $(WANGJIAN) ]; then exec $(WANGJIAN) down; else echo "未安装 not installed"; fi

status: ## 查看各进程 show what runs
	@exec $(WANGJIAN) status

test: install-dev console replay ## 测试 run the tests
	@exec $(PYTHON_IN_VENV) -m pytest $(SHARDED) $(ARGS)

test-s3: install-dev ## 在真实的 S3 服务上测试存储 the store's tests on a real S3 server (needs radosgw; installs it as root)
	@sh infra/bootstrap.sh s3
	@exec env REQUIRE_S3=1 $(PYTHON_IN_VENV) -m pytest -m s3 $(ARGS)

test-all: install-dev console replay ## 全部测试，含慢的 all tests, slow ones too
	@exec $(PYTHON_IN_VENV) -m pytest -m "" $(SHARDED) $(ARGS)

check: install-dev console ## 格式、类型、结构检查 style, types, structure, lock files, compose file
	@exec sh infra/checks/run.sh

bench: install-dev console ## 性能对比 measure against the floor and peers
	@exec $(PYTHON_IN_VENV) -m benchmarks $(ARGS)

tour: install-dev console ## 从运行中的产品截取文档图片 take the pictures of the README from the running product
	@exec $(PYTHON_IN_VENV) -m docs.tour $(ARGS)

lock: install-dev ## 更新锁定文件 resolve the lock files anew (needs the network)
	@exec sh infra/lock.sh

clean: ## 删除可再生成的文件；数据（var/）保留 remove what can be made again; data (var/) stays
	rm -rf .venv build tests/replay/node_modules web/*/dist web/*/dist-cli web/*/node_modules *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

install:
	@sh infra/bootstrap.sh runtime

install-dev:
	@sh infra/bootstrap.sh dev

console: install
	@sh infra/bootstrap.sh web

replay: install
	@sh infra/bootstrap.sh replay
