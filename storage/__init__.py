"""What is kept: the shed, its tables and files. Imports nothing of the floors above."""
