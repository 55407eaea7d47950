"""Settings for a command: a bad value in the environment is one clear line and exit code 2."""

import sys

from pydantic import ValidationError

from services.common.settings import Settings, get_settings


def load() -> Settings:
    """The settings of this call. Ends the program with code 2 when the environment holds a bad value."""
    try:
        return get_settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "WANGJIAN_" + "_".join(str(part) for part in first["loc"]).upper()
        print(f"wangjian: 设置有误 bad setting {name}: {first['msg']}", file=sys.stderr)
        sys.exit(2)
