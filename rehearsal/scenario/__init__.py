"""Scenarios: what is landed in a deployed lake, in which order, and what must be true afterwards."""
