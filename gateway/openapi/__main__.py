"""`python -m gateway.openapi > FILE`: the platform's OpenAPI document, offline."""

import json
import sys

from gateway.app import create_inner
from gateway.openapi.service import build


def main() -> None:
    """Print the document."""
    json.dump(build(create_inner()), sys.stdout, ensure_ascii=False, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
