"""Replication settings and endpoint settings: what the model does with them, and what it refuses.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rehearsal.dms.problems import Entry, Excluded, Problems, Tree, number, one_of, parse, read, text, without_effect

REPLICATION: Tree = {
    "TargetMetadata": {
        "TargetSchema": one_of(""),
        "SupportLobs": one_of(True),
        "FullLobMode": one_of(False),
        "LobChunkSize": without_effect(64),
        "LimitedSizeLobMode": one_of(True),
        "LobMaxSize": number(32, 1, 102_400),
        "InlineLobMaxSize": one_of(0),
        "LoadMaxFileSize": one_of(0),
        "ParallelLoadThreads": one_of(0),
        "ParallelLoadBufferSize": one_of(0),
        "ParallelLoadQueuesPerThread": without_effect(1),
        "ParallelApplyThreads": one_of(0),
        "ParallelApplyBufferSize": without_effect(100),
        "ParallelApplyQueuesPerThread": without_effect(1),
        "BatchApplyEnabled": one_of(False),
        "TaskRecoveryTableEnabled": one_of(False),
    },
    "FullLoadSettings": {
        "TargetTablePrepMode": one_of("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD"),
        "CreatePkAfterFullLoad": one_of(False),
        "StopTaskCachedChangesApplied": one_of(False, True),
        "StopTaskCachedChangesNotApplied": one_of(False, True),
        "MaxFullLoadSubTasks": without_effect(8),
        "TransactionConsistencyTimeout": number(600, 1, 86_400),
        "CommitRate": without_effect(10_000),
    },
    "Logging": {
        "EnableLogging": one_of(True, False),
        "EnableLogContext": without_effect(False),
        "LogComponents": without_effect([]),
        "LogConfiguration": without_effect(None),
        "DeleteTaskLogs": without_effect(False),
    },
    "ControlTablesSettings": {
        "ControlSchema": without_effect(""),
        "HistoryTimeslotInMinutes": without_effect(5),
        "HistoryTableEnabled": one_of(False),
        "SuspendedTablesTableEnabled": one_of(False),
        "StatusTableEnabled": one_of(False),
        "FullLoadExceptionTableEnabled": one_of(False),
    },
    "StreamBufferSettings": {
        "StreamBufferCount": without_effect(3),
        "StreamBufferSizeInMB": without_effect(8),
        "CtrlStreamBufferSizeInMB": without_effect(5),
    },
    "ChangeProcessingTuning": {
        "BatchApplyPreserveTransaction": without_effect(True),
        "BatchApplyTimeoutMin": without_effect(1),
        "BatchApplyTimeoutMax": without_effect(30),
        "BatchApplyMemoryLimit": without_effect(500),
        "BatchSplitSize": without_effect(0),
        "MinTransactionSize": without_effect(1000),
        "CommitTimeout": without_effect(1),
        "MemoryLimitTotal": without_effect(1024),
        "MemoryKeepTime": without_effect(60),
        "StatementCacheSize": without_effect(50),
        "RecoveryTimeout": without_effect(-1),
    },
    "ChangeProcessingDdlHandlingPolicy": {
        "HandleSourceTableDropped": without_effect(True),
        "HandleSourceTableTruncated": without_effect(True),
        "HandleSourceTableAltered": one_of(True),
    },
    "BeforeImageSettings": Entry(None, lambda value: value is None, "null: S3 targets do not take it"),
    "LoopbackPreventionSettings": Entry(None, lambda value: value is None, "null"),
    "CharacterSetSettings": Entry(None, lambda value: value is None, "null"),
    "TTSettings": Entry(None, lambda value: value is None, "null"),
    "PostProcessingRules": Entry(None, lambda value: value is None, "null"),
    "FailTaskWhenCleanTaskResourceFailed": without_effect(False),
    "ErrorBehavior": {
        "DataErrorPolicy": one_of("LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"),
        "DataTruncationErrorPolicy": one_of("LOG_ERROR"),
        "DataErrorEscalationPolicy": without_effect("SUSPEND_TABLE"),
        "DataErrorEscalationCount": one_of(0),
        "EventErrorPolicy": without_effect("IGNORE"),
        "TableErrorPolicy": one_of("SUSPEND_TABLE", "STOP_TASK"),
        "TableErrorEscalationPolicy": one_of("STOP_TASK"),
        "TableErrorEscalationCount": one_of(0),
        "RecoverableErrorCount": number(-1, -1, 1_000_000),
        "RecoverableErrorInterval": number(5, 0, 86_400),
        "RecoverableErrorThrottling": one_of(True, False),
        "RecoverableErrorThrottlingMax": number(1800, 0, 86_400),
        "RecoverableErrorStopRetryAfterThrottlingMax": one_of(False, True),
        "ApplyErrorDeletePolicy": without_effect("IGNORE_RECORD"),
        "ApplyErrorInsertPolicy": without_effect("LOG_ERROR"),
        "ApplyErrorUpdatePolicy": without_effect("LOG_ERROR"),
        "ApplyErrorEscalationPolicy": without_effect("LOG_ERROR"),
        "ApplyErrorEscalationCount": without_effect(0),
        "ApplyErrorFailOnTruncationDdl": one_of(False),
        "FullLoadIgnoreConflicts": without_effect(True),
        "FailOnNoTablesCaptured": one_of(True, False),
        "FailOnTransactionConsistencyBreached": without_effect(False),
    },
    "ValidationSettings": {"EnableValidation": one_of(False), "ThreadCount": without_effect(5)},
}

S3: Tree = {
    "ServiceAccessRoleArn": text(),
    "BucketName": text(),
    "BucketFolder": text(""),
    "DataFormat": one_of("csv", "parquet"),
    "CompressionType": one_of("NONE", "none", "GZIP", "gzip"),
    "EncryptionMode": one_of("sse-s3", "sse-kms", "SSE_S3", "SSE_KMS"),
    "ServerSideEncryptionKmsKeyId": text(""),
    "EncodingType": one_of("rle-dictionary", "plain", "plain-dictionary"),
    "DictPageSizeLimit": without_effect(1_048_576),
    "RowGroupLength": number(10_000, 1, 64 * 1024 * 1024),
    "DataPageSize": without_effect(1_048_576),
    "ParquetVersion": one_of("parquet-1-0", "parquet-2-0"),
    "EnableStatistics": one_of(True, False),
    "IncludeOpForFullLoad": one_of(False, True),
    "CdcInsertsOnly": one_of(False, True),
    "CdcInsertsAndUpdates": one_of(False),
    "ParquetTimestampInMillisecond": one_of(False, True),
    "DatePartitionEnabled": one_of(False),
    "PreserveTransactions": one_of(False, True),
    "CdcPath": text(""),
    "CsvDelimiter": one_of(","),
    "CsvRowDelimiter": one_of("\\n", "\n"),
    "CsvNullValue": text("NULL"),
    "CsvNoSupValue": without_effect(""),
    "UseCsvNoSupValue": one_of(False),
    "Rfc4180": one_of(True),
    "CannedAclForObjects": one_of("none", "NONE"),
    "CdcMaxBatchInterval": number(60, 1, 86_400),
    "CdcMinFileSize": number(32_000, 1, 1_048_576),
    "MaxFileSize": number(1_048_576, 1, 1_048_576),
    "AddColumnName": one_of(False, True),
    "AddTrailingPaddingCharacter": one_of(False),
    "ExpectedBucketOwner": text(""),
    "GlueCatalogGeneration": one_of(False),
}

POSTGRES: Tree = {
    "SecretsManagerAccessRoleArn": text(),
    "SecretsManagerSecretId": text(),
    "DatabaseName": text(""),
    "CaptureDdls": one_of(True),
    "DdlArtifactsSchema": without_effect("public"),
    "ExecuteTimeout": without_effect(60),
    "FailTasksOnLobTruncation": one_of(False, True),
    "HeartbeatEnable": without_effect(False),
    "HeartbeatSchema": without_effect("public"),
    "HeartbeatFrequency": without_effect(5),
    "PluginName": one_of("no-preference", "test-decoding", "pglogical"),
    "TrimSpaceInChar": one_of(True, False),
    "MapBooleanAsBoolean": one_of(False),
    "MapJsonbAsClob": without_effect(False),
    "MapLongVarcharAs": without_effect("wstring"),
    "DatabaseMode": one_of("default"),
    "AuthenticationMethod": one_of("password"),
}


@dataclass(frozen=True)
class Settings:
    """Replication settings: a value per section and name, defaults filled in."""

    values: dict[str, Any]

    def __getitem__(self, path: tuple[str, str]) -> Any:
        return self.values[path[0]][path[1]]


def parse_settings(document: str | None) -> Settings:
    """A `ReplicationSettings` document, defaults filled in. Raises Refused."""
    problems = Problems()
    given = parse(document, "ReplicationSettings", problems) if document else {}
    found = read(REPLICATION, given, "ReplicationSettings", problems)
    load = found["FullLoadSettings"]
    if load["StopTaskCachedChangesApplied"] and load["StopTaskCachedChangesNotApplied"]:
        problems.add(
            "ReplicationSettings.FullLoadSettings", load, "only one of the two StopTaskCachedChanges… is taken"
        )
    problems.settle()
    return Settings(found)


def s3_settings(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of an S3 target, defaults filled in. Raises Refused: CSV but for transaction files, date partitions
    and CdcInsertsAndUpdates are not modelled. Raises Excluded for settings that DMS does not take together."""
    _check_together(given)
    problems = Problems()
    found = read(S3, given, "S3Settings", problems)
    for name in ("ServiceAccessRoleArn", "BucketName"):
        if not found[name]:
            problems.add(f"S3Settings.{name}", found[name], "this setting is required")
    if found["DataFormat"] != "parquet":
        problems.add("S3Settings.DataFormat", found["DataFormat"], 'modelled: "parquet" (the default is "csv")')
    kms = found["EncryptionMode"].lower().replace("_", "-") == "sse-kms"
    if kms != bool(found["ServerSideEncryptionKmsKeyId"]):
        message = "EncryptionMode sse-kms and ServerSideEncryptionKmsKeyId go together"
        problems.add("S3Settings.ServerSideEncryptionKmsKeyId", found["ServerSideEncryptionKmsKeyId"], message)
    problems.settle()
    return {**found, "kms": kms}


def _check_together(given: dict[str, Any]) -> None:
    """What PreserveTransactions asks for, and what it excludes."""
    problems = Problems()
    ordered, path = given.get("PreserveTransactions"), given.get("CdcPath")
    if ordered and not path:
        problems.add("S3Settings.CdcPath", path, "Feature PreserveTransactions requires cdcPath setting")
    if path and not ordered:
        problems.add("S3Settings.CdcPath", path, "modelled: with PreserveTransactions")
    for name in ("DatePartitionEnabled", "AddColumnName", "GlueCatalogGeneration", "CdcInsertsOnly"):
        if (ordered or path) and given.get(name):
            problems.add(f"S3Settings.{name}", given[name], "cannot be used with PreserveTransactions or CdcPath")
    if ordered and str(given.get("CompressionType", "none")).lower() != "none":
        problems.add("S3Settings.CompressionType", given["CompressionType"], "transaction files are modelled without")
    if problems.found:
        raise Excluded(problems.found)


def postgres_settings(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a PostgreSQL source, defaults filled in. Raises Refused."""
    problems = Problems()
    found = read(POSTGRES, given, "PostgreSQLSettings", problems)
    for name in ("SecretsManagerAccessRoleArn", "SecretsManagerSecretId"):
        if not found[name]:
            problems.add(f"PostgreSQLSettings.{name}", found[name], "required: credentials come from Secrets Manager")
    problems.settle()
    return found
