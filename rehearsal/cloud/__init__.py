"""The local stand-in for AWS: moto in this process, repaired where it differs from the services we rely on."""

from rehearsal.cloud.cloud import Cloud, Part
from rehearsal.cloud.faults import Call, Caller, Faults, Kill, Match
from rehearsal.cloud.work import IdleTimeout, InternalErrors, Problem

__all__ = ["Call", "Caller", "Cloud", "Faults", "IdleTimeout", "InternalErrors", "Kill", "Match", "Part", "Problem"]
