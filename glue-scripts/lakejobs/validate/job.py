"""The validate job: datasets of one source, each compared with the source's table, and the results in one place."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from pyspark.sql import SparkSession

from lakejobs.arguments import ValidateArguments
from lakejobs.aws import Clients
from lakejobs.clock import Clock, stamp, utc_now
from lakejobs.declared import Dataset
from lakejobs.errors import JobFailed
from lakejobs.events import log
from lakejobs.manifest import Manifest
from lakejobs.protections import told_key
from lakejobs.refine.protect import HashKeys, read_hash_key
from lakejobs.session import open_session
from lakejobs.validate.comparing import EQUAL
from lakejobs.validate.database import Database, SourceTable
from lakejobs.validate.looks import Patience, Sleep
from lakejobs.validate.one_dataset import Limits, Validator
from lakejobs.validate.request import Request
from lakejobs.validate.results import FAILED, Context, Report, Result, Verdict, overall
from lakejobs.validate.source import Login, Source


def main(argv: Sequence[str]) -> None:
    """Runs the job. Raises if a dataset could not be compared; that sides differ is a result."""
    arguments = ValidateArguments.parse(argv)
    validate(open_session(), arguments, Clients.connect())


def validate(
    spark: SparkSession,
    arguments: ValidateArguments,
    clients: Clients,
    now: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> None:
    """Compares one dataset after the other, keeps the results, then says how the validation ended.

    A validation that has ended is not done again. One that fails keeps what it found; the same again writes over it.
    Raises JobFailed, naming every dataset that could not be compared.
    """
    source = Source.parse(arguments.source)
    report = Report(clients, arguments.artifacts_bucket, arguments.validation, source.name)
    if report.ended():
        log("validated already", validation=arguments.validation)
        return
    manifest = Manifest.from_json(clients.read(arguments.manifest_uri))
    request = Request.parse(arguments.request, source.tables)
    datasets = [manifest.dataset(name) for name in request.datasets]
    database = Database(spark, source, Login.read(clients.secrets, arguments.source_secret))
    patience = Patience(arguments.look_again, arguments.look_again_seconds, sleep)
    limits = Limits(arguments.mismatches, arguments.values == "true")
    keys = _keys(clients, arguments, datasets)
    validator = Validator(spark, clients, database, keys, patience, limits, now)
    tables = database.tables(source.tables[d.id] for d in datasets)
    verdicts = [_verdict(validator, d, tables.get(source.tables[d.id])) for d in datasets]
    report.keep(verdicts)
    for verdict in verdicts:
        log("validated", validation=arguments.validation, dataset=verdict.context.dataset, outcome=verdict.outcome,
            told=verdict.told, mismatches_listed=len(verdict.mismatches))  # fmt: skip
    left = [verdict.told for verdict in verdicts if verdict.outcome == FAILED]
    if left:
        raise JobFailed("not compared: " + "; ".join(left))
    outcome = overall(v.outcome for v in verdicts)
    report.end(outcome, _told(arguments.validation, verdicts), {v.context.dataset: v.outcome for v in verdicts})
    log("validation ended", validation=arguments.validation, outcome=outcome, datasets=len(verdicts))


def _verdict(validator: Validator, dataset: Dataset, table: SourceTable | None) -> Verdict:
    problems, started = validator.problems(dataset, table), validator.now()
    if table is not None and not problems:
        try:
            return validator.dataset(dataset, table)
        except JobFailed as error:
            problems = [str(error)]
        except Exception as error:
            problems = [f"{dataset.id}: {validator.database.told(error)}"]
    source, told = validator.database.source, "; ".join(problems)
    context = Context(dataset.id, f"{source.schema}.{source.tables[dataset.id]}", started_at=stamp(started))
    return Verdict(context, FAILED, told, [Result("dataset", FAILED, detail=told)])


def _told(validation: str, verdicts: Sequence[Verdict]) -> str:
    bad = [v for v in verdicts if v.outcome != EQUAL]
    if not bad:
        return f"{len(verdicts)} of {len(verdicts)} datasets are equal"
    each = "; ".join(f"{v.context.dataset}: {v.told}" for v in bad[:20])
    more = f"; and {len(bad) - 20} more" if len(bad) > 20 else ""
    where = f"validation_results and validation_mismatches have the rest, where validation = '{validation}'"
    return f"{len(bad)} of {len(verdicts)} datasets are not equal: {each}{more}; {where}"


def _keys(clients: Clients, arguments: ValidateArguments, datasets: Iterable[Dataset]) -> HashKeys:
    """Those under which columns are hashed or tokenised. Raises JobFailed if the job was given none."""
    wanted, secrets = {name for d in datasets for name in d.keyed}, arguments.secrets()
    if wanted - set(secrets):
        lacking = ", ".join(told_key(name) for name in sorted(wanted - set(secrets)))
        raise JobFailed(f"the job was started without the secret of {lacking} (hash_secret, hash_keys, token_keys)")
    return {name: read_hash_key(clients.secrets, secrets[name]) for name in sorted(wanted)}
