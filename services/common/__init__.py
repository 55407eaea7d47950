"""What every service stands on: settings, database, tokens, problems, outbox/inbox, paging, health."""
