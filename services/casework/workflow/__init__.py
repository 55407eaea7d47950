"""流程 workflow: state machines declared as data, and the history they leave."""
