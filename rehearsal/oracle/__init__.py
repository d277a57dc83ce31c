"""An independent answer: PostgreSQL loaded with the clean rows, and comparisons that can fail."""
