"""What runs the platform: embedded databases, launcher, container files, our own code checks."""
