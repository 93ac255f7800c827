"""What an endpoint does, and how well: traffic, drift ranked by harm, predictions, performance or an estimate of it."""
