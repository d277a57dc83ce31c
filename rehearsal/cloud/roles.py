"""STS: sessions an app or the administrator assumes are known to the gateway, and say who they are."""

from __future__ import annotations

from typing import Any

from moto.sts.models import STSBackend

from rehearsal.cloud.faults import Caller
from rehearsal.cloud.identities import Identities
from rehearsal.cloud.repairs import Repairs


def repair_sessions(identities: Identities, repairs: Repairs) -> None:
    """Register assumed roles, and answer GetCallerIdentity for the sessions the stand-in gave out."""

    def assume_role(backend: STSBackend, *args: Any, **kwargs: Any) -> Any:
        role = stock_assume(backend, *args, **kwargs)
        identities.register(Caller("role", role.session_name, role.access_key_id, role.role_arn))
        return role

    def get_caller_identity(backend: STSBackend, access_key_id: str, region: str) -> tuple[str, str, str]:
        caller = identities.find(access_key_id)
        if caller is None or not caller.role.startswith("arn:"):
            return stock_identity(backend, access_key_id, region)
        name = caller.role.rsplit("/", 1)[-1]
        session = caller.name.replace(":", "-")[:64]
        prefix = caller.role.split(":role/")[0].replace(":iam:", ":sts:")
        return f"AROA{caller.session[4:]}:{session}", f"{prefix}:assumed-role/{name}/{session}", backend.account_id

    stock_assume = repairs.replace(STSBackend, "assume_role", assume_role)
    stock_identity = repairs.replace(STSBackend, "get_caller_identity", get_caller_identity)
