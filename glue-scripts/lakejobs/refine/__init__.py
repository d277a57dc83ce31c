"""From raw objects to the cleaned table, batch by batch."""
