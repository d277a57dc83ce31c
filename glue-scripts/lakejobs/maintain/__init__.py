"""Maintenance of the tables: compaction by size, and the removal of what of their past nobody needs."""
