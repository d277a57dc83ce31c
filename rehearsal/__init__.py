"""Runs a synthesised Strata app on this machine: a local stand-in for AWS, a deployer, scenarios and a report."""
