"""Runs Glue jobs on a local Spark: one shared worker, or one process per run."""
