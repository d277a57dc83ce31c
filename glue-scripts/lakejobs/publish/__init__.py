"""Curated tables: SQL models over cleaned tables, rebuilt when their inputs change."""
