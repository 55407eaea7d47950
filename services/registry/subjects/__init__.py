"""主体 subjects: the legal or natural persons who do business."""
