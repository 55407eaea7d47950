"""Who may read the directory of regions and authorities."""

from services.common.identity import require_any

# Officers hand work to authorities; administrators put people into them. Both choose from the directory.
directory_reader = require_any("registry:read", "user:manage", "role:grant")
