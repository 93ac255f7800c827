"""`make story`: four months of a project that looks after itself, played as a person would, by commands and HTTP alone."""
