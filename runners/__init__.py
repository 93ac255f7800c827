"""What does the work: the pipeline and its stages, the child, its supervisor, and the verbs in `actions`."""
