"""`make story`: four months of a project that looks after itself, played as by a person, by commands and HTTP alone."""
