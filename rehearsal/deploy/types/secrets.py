"""Secrets."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from rehearsal.deploy.properties import TAGS, applied, document, fields, stored
from rehearsal.deploy.resource import Made, Maker, ResourceType
from rehearsal.deploy.shapes import as_bool

_GENERATED = fields(
    SecretStringTemplate=document(),
    GenerateStringKey=applied(),
    PasswordLength=applied(),
    ExcludeCharacters=applied(),
    ExcludeLowercase=applied(),
    ExcludeNumbers=applied(),
    ExcludePunctuation=applied(),
    ExcludeUppercase=applied(),
    IncludeSpace=applied(False),
    RequireEachIncludedType=applied(),
)
SECRET = fields(
    Name=applied(),
    Description=applied(),
    KmsKeyId=stored("secrets are not encrypted in the stand-in"),
    GenerateSecretString=_GENERATED,
    SecretString=applied(),
    Tags=TAGS,
)
_CLASSES = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


def generate(spec: dict[str, Any]) -> str:
    """A password by the rules of `GenerateSecretString`; in a JSON object where a template is given."""
    excluded = spec.get("ExcludeCharacters", "")
    classes = [
        "".join(char for char in chars if char not in excluded)
        for key, chars in _CLASSES.items()
        if not as_bool(spec.get(key, False))
    ]
    classes = [chars for chars in classes if chars]
    length = int(spec.get("PasswordLength", 32))
    required = classes if as_bool(spec.get("RequireEachIncludedType", True)) else []
    picked = [secrets.choice(chars) for chars in required]
    picked += [secrets.choice("".join(classes)) for _ in range(length - len(picked))]
    secrets.SystemRandom().shuffle(picked)
    password = "".join(picked)
    if "GenerateStringKey" not in spec:
        return password
    template = spec["SecretStringTemplate"]
    members = json.loads(template) if isinstance(template, str) else template
    return json.dumps({**members, spec["GenerateStringKey"]: password})


def _make(maker: Maker, props: dict[str, Any]) -> Made:
    kept = {key: props[key] for key in ("Description", "KmsKeyId", "Tags") if key in props}
    text = props["SecretString"] if "SecretString" in props else generate(props.get("GenerateSecretString", {}))
    arn = maker.call(
        "secretsmanager", "create_secret", Name=props.get("Name") or maker.name(256), SecretString=text, **kept
    )["ARN"]
    return Made(arn, {"Id": arn})


def _read(maker: Maker, made: Made, props: dict[str, Any]) -> dict[str, Any]:
    client = maker.client("secretsmanager")
    found = dict(client.describe_secret(SecretId=made.physical_id))
    text = client.get_secret_value(SecretId=made.physical_id)["SecretString"]
    if "GenerateSecretString" in props:
        spec = props["GenerateSecretString"]
        found["GenerateSecretString"] = spec if _obeys(text, spec) else {"SecretString": "breaks the rules"}
    return {**found, "SecretString": text}


def _obeys(text: str, spec: dict[str, Any]) -> bool:
    password = json.loads(text)[spec["GenerateStringKey"]] if "GenerateStringKey" in spec else text
    banned = spec.get("ExcludeCharacters", "")
    banned += "".join(chars for key, chars in _CLASSES.items() if as_bool(spec.get(key, False)))
    return len(password) == int(spec.get("PasswordLength", 32)) and not set(password) & set(banned)


TYPES = (
    ResourceType(
        "AWS::SecretsManager::Secret",
        SECRET,
        _make,
        _read,
        lambda maker, made, props: maker.client("secretsmanager").delete_secret(
            SecretId=made.physical_id, ForceDeleteWithoutRecovery=True
        ),
        attributes=("Id",),
        listed=("secret",),
    ),
)
