"""Alerts on their way to people: addresses, quiet hours, sending."""
