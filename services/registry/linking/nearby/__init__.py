"""What lies around a change: everything a verdict or a block that may have moved rests on."""
