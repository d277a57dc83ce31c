"""The manifest: what the lake's declarations say, as the constructs write it (schema version 1)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from lakejobs.protections import DROP, Protection, Tokenise, key_of, protection
from lakejobs.rules import ColumnRule, DatasetRule, column_rule, dataset_rule
from lakejobs.shapes import Fields, ShapeError

SCHEMA_VERSION = 1
# The column that tells rows apart where a dataset has no key.
RECORD_ID = "_record_id"
ICEBERG, DELTA, HUDI = TABLE_FORMATS = ("iceberg", "delta", "hudi")
DMS_PARQUET, DMS_TRANSACTIONS, DMS_CSV, DMS_JSON = DMS_KINDS = (
    "dms_parquet",
    "dms_transactions",
    "dms_csv",
    "dms_json",
)


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    doc: str
    required: bool
    classification: str
    protect: Protection
    rules: tuple[ColumnRule, ...]
    evolved: bool = False
    """Whether no manifest declares it, and the table has gained it from its input."""

    @property
    def stored_type(self) -> str:
        """The column's type in the cleaned table."""
        return self.type if key_of(self.protect) is None else "string"


@dataclass(frozen=True)
class Format:
    """`kind` is csv, parquet, json or one of DMS; the other fields are None but for csv and dms_csv, the `null_value`
    of dms_transactions, `route_by` of json: the field in which a record has to name the dataset, and `table` of
    dms_json: the table whose changes the messages are."""

    kind: str
    header: bool | None
    delimiter: str | None
    null_value: str | None
    route_by: str | None
    table: str | None = None


@dataclass(frozen=True)
class Gate:
    """A batch is blocked above `max_quarantined_share` (0 to 1, of the rows read) or below `min_rows` rows read, and a
    snapshot that deletes more than `max_deleted_share` (0 to 1, of the stored rows)."""

    max_quarantined_share: float | None
    min_rows: int | None
    max_deleted_share: float | None = None


@dataclass(frozen=True)
class Delivery:
    """Which of two snapshots is later. `stamp` is a regular expression that finds a time in a key below the landing
    prefix, with groups year to second; None for none."""

    stamp: str | None


@dataclass(frozen=True)
class Window:
    """Spans of `seconds`, by the value of `column`, in each of which a key of an append counts once."""

    column: str
    seconds: int


@dataclass(frozen=True)
class Upkeep:
    """How the tables of a dataset are kept: how long a state is after another has replaced it, how old what no state
    names has to be before it goes (seconds both), the size that files are compacted to (bytes), and how many smaller
    ones there are before they are.
    """

    snapshot_seconds: int = 7 * 86400
    unreferenced_seconds: int = 7 * 86400
    file_bytes: int = 128 << 20
    small_files: int = 10


@dataclass(frozen=True)
class Subject:
    """Whom the rows are about: the kind of data subject, and the column that identifies it."""

    name: str
    column: str


@dataclass(frozen=True)
class Dataset:
    id: str
    domain: str
    name: str
    owner: str
    doc: str
    load: str
    keys: tuple[str, ...]
    sequence: str | None
    format: Format
    columns: tuple[Column, ...]
    unique_key: bool
    rules: tuple[DatasetRule, ...]
    gate: Gate
    table_format: str
    cleaned_database: str
    quarantine_database: str
    freshness_seconds: int | None
    delivery: Delivery | None = None
    """Of a snapshot; None for every other load."""
    profile: bool = False
    window: Window | None = None
    """Of an append that looks for keys in a part of the table; None for the whole of it."""
    drift: str | None = None
    """What becomes of other columns than the declared ones: refused if `strict`, added to the table if `evolve`,
    reported if None."""
    maintenance: Upkeep | None = None
    """As it is declared; None where nothing but the defaults is."""
    subject: Subject | None = None
    """None where the rows are about nobody."""

    @property
    def upkeep(self) -> Upkeep:
        return self.maintenance or Upkeep()

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns of the cleaned table, in declared order."""
        return tuple(c for c in self.columns if c.protect != DROP)

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns of the cleaned table that tell its rows apart: the keys, or the id of the record."""
        return self.keys or (RECORD_ID,)

    @property
    def strict(self) -> bool:
        """Whether other columns than the declared ones are refused."""
        return self.drift == "strict"

    @property
    def closed(self) -> bool:
        """Whether a record may have no other members than the columns."""
        return self.strict or self.evolves

    @property
    def evolves(self) -> bool:
        """Whether the table gains the columns of its input."""
        return self.drift == "evolve"

    @property
    def is_cdc(self) -> bool:
        """Whether its records are changes of a database, which may delete and may change keys."""
        return self.load == "cdc"

    @property
    def keyed(self) -> dict[str, tuple[str, ...]]:
        """The hashed and tokenised columns by the id of their key."""
        found: dict[str, tuple[str, ...]] = {}
        for column in self.columns:
            key = key_of(column.protect)
            if key is not None:
                found[key] = (*found.get(key, ()), column.name)
        return dict(sorted(found.items()))

    @property
    def tokenised(self) -> dict[str, tuple[str, ...]]:
        """The tokenised columns by the name of their vault."""
        found: dict[str, tuple[str, ...]] = {}
        for column in self.columns:
            if isinstance(column.protect, Tokenise):
                found[column.protect.vault] = (*found.get(column.protect.vault, ()), column.name)
        return dict(sorted(found.items()))


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


def _column(value: Any, path: str) -> Column:
    f = Fields(value, path)
    column = Column(
        name=f.take("name", str),
        type=f.take("type", str),
        doc=f.take("doc", str),
        required=f.take("required", bool),
        classification=f.choice("class", ("internal", "public", "personal")),
        protect=f.one("protect", protection),
        rules=f.each("rules", column_rule),
    )
    f.done()
    return column


def _format(value: Any, path: str) -> Format:
    f = Fields(value, path)
    result = Format(
        kind=f.choice("kind", ("csv", "parquet", "json", *DMS_KINDS)),
        header=f.optional("header", bool),
        delimiter=f.optional("delimiter", str),
        null_value=f.optional("null_value", str),
        # Manifests of before records were judged by their route do not have it.
        route_by=f.optional("route_by", str) if f.has("route_by") else None,
        table=f.take("table", str) if f.has("table") else None,
    )
    f.done()
    if result.kind in ("csv", DMS_CSV) and (
        result.header is None or result.delimiter is None or result.null_value is None
    ):
        raise ShapeError(f"{path}: {result.kind} needs header, delimiter and null_value")
    if (result.kind == DMS_JSON) != (result.table is not None):
        raise ShapeError(f"{path}.table: {DMS_JSON} needs it, and every other format has none")
    if result.kind == DMS_TRANSACTIONS and not result.null_value:
        raise ShapeError(f"{path}: dms_transactions needs null_value")
    if result.route_by is not None and result.kind != "json":
        raise ShapeError(f"{path}.route_by: is {result.route_by!r} of {result.kind}; only json has one")
    return result


def _gate(value: Any, path: str) -> Gate:
    f = Fields(value, path)
    deleted = "max_deleted_share"
    gate = Gate(
        f.number("max_quarantined_share"),
        f.optional("min_rows", int),
        f.number(deleted) if f.has(deleted) else None,
    )
    f.done()
    return gate


def _delivery(value: Any, path: str) -> Delivery:
    f = Fields(value, path)
    delivery = Delivery(f.optional("stamp", str))
    f.done()
    return delivery


def _window(value: Any, path: str) -> Window:
    f = Fields(value, path)
    window = Window(f.take("column", str), f.take("seconds", int))
    f.done()
    return window


def _upkeep(value: Any, path: str) -> Upkeep:
    f = Fields(value, path)
    upkeep = Upkeep(*(f.take(field.name, int) for field in fields(Upkeep)))
    f.done()
    return upkeep


def _subject(value: Any, path: str) -> Subject:
    f = Fields(value, path)
    subject = Subject(f.take("name", str), f.take("column", str))
    f.done()
    return subject


def _dataset(value: Any, path: str) -> Dataset:
    f = Fields(value, path)
    dataset = Dataset(
        id=f.take("id", str),
        domain=f.take("domain", str),
        name=f.take("name", str),
        owner=f.take("owner", str),
        doc=f.take("doc", str),
        load=f.choice("load", ("append", "upsert", "snapshot", "cdc")),
        keys=f.texts("keys"),
        sequence=f.optional("sequence", str),
        format=f.one("format", _format),
        columns=f.each("columns", _column),
        unique_key=f.take("unique_key", bool),
        rules=f.each("rules", dataset_rule) if f.has("rules") else (),
        gate=f.one("gate", _gate),
        # Manifests of older batches do not have it.
        table_format=f.choice("table_format", TABLE_FORMATS) if f.has("table_format") else ICEBERG,
        cleaned_database=f.take("cleaned_database", str),
        quarantine_database=f.take("quarantine_database", str),
        freshness_seconds=f.optional("freshness_seconds", int),
        delivery=f.one("delivery", _delivery) if f.has("delivery") else None,
        profile=f.take("profile", bool) if f.has("profile") else False,
        window=f.one("window", _window) if f.has("window") else None,
        drift=f.choice("drift", ("strict", "evolve")) if f.has("drift") else None,
        maintenance=f.one("maintenance", _upkeep) if f.has("maintenance") else None,
        subject=f.one("subject", _subject) if f.has("subject") else None,
    )
    f.done()
    if dataset.subject is not None and not any(c.name == dataset.subject.column for c in dataset.stored):
        name = dataset.subject.column
        raise ShapeError(f"{path}.subject.column: is {name!r}, which is no stored column")
    if (dataset.load == "upsert") != (dataset.sequence is not None):
        raise ShapeError(f"{path}.sequence: upsert needs one, and every other load has none")
    if dataset.is_cdc != (dataset.format.kind in DMS_KINDS):
        kind = dataset.format.kind
        raise ShapeError(f"{path}.format.kind: is {kind} with load {dataset.load}; cdc reads {' or '.join(DMS_KINDS)}")
    if dataset.window is not None and (dataset.load != "append" or dataset.window.seconds < 1):
        raise ShapeError(f"{path}.window: only append has one, of one second at least")
    if not dataset.keys and (dataset.load not in ("append", "snapshot") or dataset.window or dataset.unique_key):
        raise ShapeError(f"{path}.keys: only append and snapshot do without, and then without window and unique_key")
    for name, given in (("delivery", dataset.delivery), ("gate.max_deleted_share", dataset.gate.max_deleted_share)):
        if (given is not None) != (dataset.load == "snapshot"):
            raise ShapeError(f"{path}.{name}: snapshots need it, and every other load has none")
    return dataset


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
        datasets=f.each("datasets", _dataset),
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
