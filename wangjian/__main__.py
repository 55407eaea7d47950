"""`python -m wangjian` is the command `wangjian`."""

from wangjian.cli import main

main()
