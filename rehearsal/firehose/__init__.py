"""Firehose for the stand-in: delivery streams that buffer, transform, partition and write to S3 as the service does."""

from rehearsal.firehose.service import Firehose, install

__all__ = ["Firehose", "install"]
