"""Erasure of data subjects: their rows, what remains of them and until when, and the report that proves it."""
