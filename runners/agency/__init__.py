"""What an agent does: its place on disk, requests, what starts, what is taken over."""
