"""One OpenAPI document for the whole platform."""
