"""Changes to the shed: each is one short transaction plus its audit row."""
