"""The Celery application with the tasks of every service, for the worker and beat processes.

    celery -A infra.worker worker -Q capture --pool threads --concurrency 1

When WANGJIAN_READY_FILE is set, the process writes it once it takes tasks: that is how the launcher knows.
"""

import importlib
import importlib.util
import os
import pkgutil
from pathlib import Path

from celery.signals import beat_init, worker_ready

import services
from services.common.queue import celery

__all__ = ["app", "celery"]

app = celery


def task_modules() -> list[str]:
    """Names of all modules called `tasks` in the services and the gateway, found by looking."""
    packages = [*services.__path__]
    found = [
        info.name
        for info in pkgutil.walk_packages(packages, "services.", onerror=_fail)
        if info.name.rpartition(".")[2] == "tasks"
    ]
    gateway = importlib.util.find_spec("gateway")
    if gateway and gateway.submodule_search_locations:
        found += [
            info.name
            for info in pkgutil.walk_packages(gateway.submodule_search_locations, "gateway.", onerror=_fail)
            if info.name.rpartition(".")[2] == "tasks"
        ]
    return found


def _fail(name: str) -> None:
    raise ImportError(f"cannot import {name} while looking for tasks")


def _tell_ready(**_: object) -> None:
    file = os.environ.get("WANGJIAN_READY_FILE")
    if file:
        Path(file).write_text(str(os.getpid()), encoding="ascii")


worker_ready.connect(_tell_ready, weak=False)
beat_init.connect(_tell_ready, weak=False)

for module in task_modules():
    importlib.import_module(module)
