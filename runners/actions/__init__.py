"""The verbs, one module a noun: the CLI, the terminal UI, batch runs and triggers all call these."""
