"""What people read afterwards: model cards, dataset cards, the tables of a run."""
