"""The one door: sign-in, sessions, roles, routing to the services, and the console's files."""
