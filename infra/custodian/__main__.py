"""`python -m infra.custodian`: serve the development custodian. Protocol: docs/custodian.md."""

from infra.custodian.service import create_app
from infra.listening import serve_app
from services.common.settings import get_settings

if __name__ == "__main__":
    settings = get_settings()
    serve_app(create_app(settings), settings.service_url("custodian"))
