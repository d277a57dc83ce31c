"""What a dataset is declared to be."""

from __future__ import annotations

from dataclasses import dataclass

from lakejobs.protections import DROP, Protection, Tokenise, key_of
from lakejobs.rules import ColumnRule, DatasetRule

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
