"""How what the verbs return is shown: tables and blocks for people, facts for programs."""
