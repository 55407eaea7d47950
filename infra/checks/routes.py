"""No route without a permission: every application is made, which fails when a route declares none."""

import importlib
from pathlib import Path

from infra.checks.source import Fault


def permissions(root: Path) -> list[Fault]:
    """Applications that refuse to be made because a route has no declared permission."""
    if not (root / "services" / "common" / "app.py").exists():
        return []
    from services.common.app import UndeclaredRouteError

    faults = []
    for path in sorted([*root.glob("services/*/app.py"), *root.glob("gateway/app.py")]):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        if name == "services.common.app":
            continue
        try:
            importlib.import_module(name).create_app()
        except UndeclaredRouteError as error:
            faults.append(Fault(str(path.relative_to(root)), 1, str(error)))
    return faults
