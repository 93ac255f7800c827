"""Questions to the shed: each returns rows or small records, and changes nothing."""
