"""The jobs of the lake: refine takes batches from raw to cleaned, publish rebuilds curated models."""
