"""Validation: whether a cleaned table is what its source's table is, row by row, and what is not."""
