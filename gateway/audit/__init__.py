"""Reading the audit record of the gateway and of every service."""
