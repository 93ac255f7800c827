"""What runs were made of, side by side: code, settings, data and surroundings."""
