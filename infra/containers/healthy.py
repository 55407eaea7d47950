"""A container's health check: exit code 0 when the URL answers 200. Standard library only, so it is quick.

Command: python -m infra.containers.healthy http://127.0.0.1:8000/health/ready
"""

import sys
import urllib.error
import urllib.request


def healthy(url: str, seconds: float = 4.0) -> bool:
    """Whether a GET of `url` (http only) answers 200 in time."""
    if not url.startswith("http://"):
        raise ValueError(f"not an http URL: {url}")
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - the scheme was checked
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False  # not listening, or not ready


if __name__ == "__main__":
    sys.exit(0 if healthy(sys.argv[1]) else 1)
