"""What the registry's routes ask for: who calls, and that he may; the keys of personal values."""

from typing import Annotated

from fastapi import Depends, Request

from services.common.identity import Claims, require, require_any
from services.common.personal import PersonalData

Reader = Annotated[Claims, Depends(require("registry:read"))]
Writer = Annotated[Claims, Depends(require("registry:write"))]
Revealer = Annotated[Claims, Depends(require("registry:reveal"))]
Importer = Annotated[Claims, Depends(require("registry:import"))]
Assigner = Annotated[Claims, Depends(require("registry:assign"))]
Exchanger = Annotated[Claims, Depends(require("registry:exchange"))]

# Officers hand work to authorities; administrators put people into them. Both choose from the directory.
directory_reader = require_any("registry:read", "user:manage", "role:grant")


def _personal(request: Request) -> PersonalData:
    personal: PersonalData = request.app.state.personal
    return personal


Personal = Annotated[PersonalData, Depends(_personal)]
