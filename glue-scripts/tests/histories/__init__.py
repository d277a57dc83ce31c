"""Random histories of a database, delivered in every way, held against a model in plain Python."""
