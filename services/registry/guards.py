"""Who calls, and that he may: the permissions of the registry's routes."""

from typing import Annotated

from fastapi import Depends

from services.common.identity import Claims, require, require_any

Reader = Annotated[Claims, Depends(require("registry:read"))]
Writer = Annotated[Claims, Depends(require("registry:write"))]
Revealer = Annotated[Claims, Depends(require("registry:reveal"))]
Importer = Annotated[Claims, Depends(require("registry:import"))]
Assigner = Annotated[Claims, Depends(require("registry:assign"))]
Exchanger = Annotated[Claims, Depends(require("registry:exchange"))]

# Officers hand work to authorities; administrators put people into them. Both choose from the directory.
directory_reader = require_any("registry:read", "user:manage", "role:grant")
