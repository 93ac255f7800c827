"""What lineage is made of: nodes, and what a run was set off by and made with."""
