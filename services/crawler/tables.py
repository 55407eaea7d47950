"""All tables of the crawler, so that its metadata is complete."""

from services.crawler.base import Base
from services.crawler.captures.models import Capture, CaptureStep, CaptureWorker

__all__ = ["Base", "Capture", "CaptureStep", "CaptureWorker"]
