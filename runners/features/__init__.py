"""Raw rows and files become what training reads: splits, the encoding, memory-mapped arrays."""
