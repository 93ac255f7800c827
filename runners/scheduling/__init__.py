"""What the choice of the next run is made of: pure, without a clock, files or the database."""
