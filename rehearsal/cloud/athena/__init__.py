"""Athena for the stand-in: queries run for real, on DuckDB over the tables of the Glue catalog."""

from rehearsal.cloud.athena.service import Athena, install

__all__ = ["Athena", "install"]
