"""The manifest: what the lake's declarations say, as the constructs write it (schema version 1)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from lakejobs.declared import Dataset
from lakejobs.declared_fields import dataset_of
from lakejobs.shapes import Fields, ShapeError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Landing:
    """A folder of the raw bucket. `generation` numbers the load of a CDC dataset that lands there; None for others."""

    prefix: str
    dataset: str
    source: str
    generation: int | None


@dataclass(frozen=True)
class Model:
    id: str
    domain: str
    name: str
    doc: str
    database: str
    sql: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Vault:
    """Where the tokens of this name are turned back into values."""

    name: str
    database: str

    @property
    def owner(self) -> str:
        """As results tell of it, beside datasets and models."""
        return f"vault {self.name}"

    @property
    def folder(self) -> str:
        """Where its files lie in the bucket of vaults."""
        return f"vault/{self.name}/"


@dataclass(frozen=True)
class Manifest:
    lake: str
    operations_database: str
    datasets: tuple[Dataset, ...]
    landing: tuple[Landing, ...]
    models: tuple[Model, ...]
    vaults: tuple[Vault, ...] = ()

    @classmethod
    def from_json(cls, text: bytes | str) -> Manifest:
        """Reads a manifest. Raises ShapeError with the path of the first field that is not as agreed."""
        return _manifest(json.loads(text), "manifest")

    @classmethod
    def from_pinned(cls, text: bytes, sha256: str) -> Manifest:
        """Reads a manifest that must have this SHA-256 (lower-case hex)."""
        found = hashlib.sha256(text).hexdigest()
        if found != sha256:
            raise ShapeError(f"manifest {sha256}: its content has SHA-256 {found}; it was changed after it was stored")
        return cls.from_json(text)

    def dataset(self, dataset_id: str) -> Dataset:
        for d in self.datasets:
            if d.id == dataset_id:
                return d
        raise ShapeError(f"manifest: no dataset {dataset_id!r}; declared: {', '.join(d.id for d in self.datasets)}")

    def vault(self, name: str) -> Vault:
        for v in self.vaults:
            if v.name == name:
                return v
        raise ShapeError(f"manifest: no vault {name!r}; declared: {', '.join(v.name for v in self.vaults) or 'none'}")

    def landing_of(self, key: str) -> Landing | None:
        """The landing that claims an object of the raw bucket: the one with the longest prefix of its key."""
        claims = [at for at in self.landing if key.startswith(at.prefix)]
        return max(claims, key=lambda at: len(at.prefix), default=None)


def _landing(value: Any, path: str) -> Landing:
    f = Fields(value, path)
    landing = Landing(
        f.take("prefix", str), f.take("dataset", str), f.take("source", str), f.optional("generation", int)
    )
    f.done()
    return landing


def _model(value: Any, path: str) -> Model:
    f = Fields(value, path)
    model = Model(
        id=f.take("id", str),
        domain=f.take("domain", str),
        name=f.take("name", str),
        doc=f.take("doc", str),
        database=f.take("database", str),
        sql=f.take("sql", str),
        inputs=f.texts("inputs"),
    )
    f.done()
    return model


def _vault(value: Any, path: str) -> Vault:
    f = Fields(value, path)
    vault = Vault(f.take("name", str), f.take("database", str))
    f.done()
    return vault


def _manifest(value: Any, path: str) -> Manifest:
    f = Fields(value, path)
    f.version(SCHEMA_VERSION)
    manifest = Manifest(
        lake=f.take("lake", str),
        operations_database=f.take("operations_database", str),
        datasets=f.each("datasets", dataset_of),
        landing=f.each("landing", _landing),
        models=f.each("models", _model),
        vaults=f.each("vaults", _vault) if f.has("vaults") else (),
    )
    f.done()
    _check_generations(manifest, path)
    _check_vaults(manifest, path)
    return manifest


def _check_generations(manifest: Manifest, path: str) -> None:
    changing = {d.id for d in manifest.datasets if d.is_cdc}
    for i, at in enumerate(manifest.landing):
        if (at.generation is not None) != (at.dataset in changing):
            raise ShapeError(f"{path}.landing[{i}].generation: cdc datasets need one, and others have none")


def _check_vaults(manifest: Manifest, path: str) -> None:
    known = {v.name for v in manifest.vaults}
    for d in manifest.datasets:
        lacking = [name for name in d.tokenised if name not in known]
        if lacking:
            raise ShapeError(f"{path}.vaults: lacks {', '.join(lacking)}, which {d.id} is tokenised for")
