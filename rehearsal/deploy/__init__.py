"""Deploys a synthesised app to the stand-in: every resource, property and intrinsic is handled or refused."""

from rehearsal.deploy.assembly import Assembly, FileAsset, Stack, read
from rehearsal.deploy.deployment import Deployment, Destroyed, NotExecuted, Resource, Updated, deploy
from rehearsal.deploy.problems import DeployFailed, LeftBehind, Problem, TemplateRefused
from rehearsal.deploy.synth import SynthFailed, synthesise

__all__ = [
    "Assembly",
    "DeployFailed",
    "Deployment",
    "Destroyed",
    "FileAsset",
    "LeftBehind",
    "NotExecuted",
    "Problem",
    "Resource",
    "Stack",
    "SynthFailed",
    "TemplateRefused",
    "Updated",
    "deploy",
    "read",
    "synthesise",
]
