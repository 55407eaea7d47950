"""Who may enter: accounts, passwords, roles."""
