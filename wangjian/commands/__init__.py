"""Subcommands, one module each, loaded only when called.

A module `wangjian/commands/NAME.py` is the command `wangjian NAME`. The first line of its docstring is its
line in the help. It offers either `main(argv: list[str]) -> int` (exit code) or `app`, a typer application.
"""
