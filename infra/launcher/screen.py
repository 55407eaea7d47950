"""One-line statuses on the terminal."""

import contextlib
import os
import sys
import time


class Screen:
    """Prints `  3.2s  name  中文 english`; keeps quiet once nobody reads: a closed terminal stops nothing."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._open = True

    def status(self, name: str, zh: str, en: str) -> None:
        """One status line of a part."""
        self.line(f"{time.monotonic() - self._begun:6.1f}s  {name:<15} {zh} {en}")

    def line(self, text: str) -> None:
        """One line as it is."""
        if not self._open:
            return
        try:
            print(text, flush=True)
        except (BrokenPipeError, OSError):
            self._open = False

    def hand_over(self, descriptor: int) -> None:
        """From now on write to another open file: the background launcher's log."""
        with contextlib.suppress(BrokenPipeError, OSError):
            sys.stdout.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        self._open = True
