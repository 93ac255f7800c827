"""One module a noun: it reads the command line, calls the verbs, and shows what they return."""
