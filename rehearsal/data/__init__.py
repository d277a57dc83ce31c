"""What a scenario lands: generated tables, their changes, planted faults, and the sender's own account of all of it."""
