"""The command `wangjian`: finds the subcommand's module and hands the rest of the line to it.

Only the called module is imported, so `wangjian verify` starts fast and needs nothing of the platform.
Exit codes: 0 done, 1 the answer is no, 2 wrong call or unusable input.
"""

import ast
import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

COMMANDS = Path(__file__).with_name("commands")


def names() -> list[str]:
    """Names of all subcommands, in the order of the alphabet."""
    return sorted(path.stem for path in COMMANDS.glob("*.py") if not path.stem.startswith("_"))


def summary(name: str) -> str:
    """First line of a subcommand's docstring, read without importing it."""
    tree = ast.parse((COMMANDS / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def usage() -> str:
    """Help of the command itself."""
    lines = ["网鉴 Wangjian", "", "用法 usage: wangjian COMMAND [OPTIONS]", ""]
    lines += [f"  {name:<10} {summary(name)}" for name in names()]
    lines += ["", "wangjian COMMAND --help 查看各命令 / shows a command's options"]
    return "\n".join(lines)


def dispatch(argv: list[str]) -> int:
    """Run one subcommand. Returns its exit code; a typer application may raise SystemExit itself."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else 2
    name, rest = argv[0], argv[1:]
    if name == "--version":
        print(_version())
        return 0
    if name not in names():
        print(f"wangjian: 没有命令 {name!r}，见 wangjian --help / no such command", file=sys.stderr)
        return 2
    module = importlib.import_module(f"wangjian.commands.{name}")
    if hasattr(module, "main"):
        return int(module.main(rest) or 0)
    module.app(args=rest, prog_name=f"wangjian {name}")
    return 0


def main() -> None:
    """Entry point of the console script."""
    try:
        code = dispatch(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = _unreadable_key(error)
    sys.exit(code)


def _unreadable_key(error: Exception) -> int:
    """One line and code 2 for a key file that does not open; any other error goes on."""
    from services.common.suites import KeyUnreadableError

    if not isinstance(error, KeyUnreadableError):
        raise error
    print(f"wangjian: {error}", file=sys.stderr)
    return 2


def _version() -> str:
    try:
        return version("wangjian")
    except PackageNotFoundError:
        return "0+source"


if __name__ == "__main__":
    main()
