"""From a request at the door to a service: route table, header rules, limits, streaming proxy."""
