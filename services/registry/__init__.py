"""登记库 registry: who sells online, where they belong, and what they show."""
