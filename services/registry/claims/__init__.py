"""属地认领 claims: which authority has jurisdiction over a presence, and how that was settled."""
