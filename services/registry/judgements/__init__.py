"""判定 judgements: what officers decided about two shops; inputs of the linking, never deleted."""
