"""The jail: Chromium with its sandbox on, in an empty network namespace, driven over a pipe."""
