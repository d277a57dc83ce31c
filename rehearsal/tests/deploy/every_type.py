"""One template that uses every resource type and, of each type, the properties that a lake sets."""

from __future__ import annotations

from typing import Any

from rehearsal.tests.deploy.conftest import TRUST, policy

CODE_KEY = "bootstrap.zip"
BOOTSTRAP = {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}


def get(name: str, attribute: str = "Arn") -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def ref(name: str) -> dict[str, Any]:
    return {"Ref": name}


def of(kind: str, /, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


FIREHOSE_TRUST = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "firehose.amazonaws.com"}}]}
TAGS = [{"Key": "lake", "Value": "commerce"}, {"Key": "part", "Value": "test"}]


def storage() -> dict[str, Any]:
    return {
        "Key": of(
            "AWS::KMS::Key",
            KeyPolicy=policy("kms:*"),
            Description="zone",
            EnableKeyRotation=True,
            PendingWindowInDays=7,
            Tags=TAGS,
        ),
        "Alias": of("AWS::KMS::Alias", AliasName="alias/zone", TargetKeyId=get("Key")),
        "Raw": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": True,
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": get("Key"),
                            },
                        }
                    ]
                },
                "VersioningConfiguration": {"Status": "Enabled"},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Id": "Uploads",
                            "Status": "Enabled",
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                        },
                        {
                            "Id": "Old",
                            "Status": "Enabled",
                            "Prefix": "batches/",
                            "ExpirationInDays": 30,
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                            "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 20}],
                        },
                    ]
                },
                "LoggingConfiguration": {"DestinationBucketName": ref("Logs"), "LogFilePrefix": "raw/"},
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
                "Tags": TAGS,
            },
        },
        "Logs": of("AWS::S3::Bucket"),
        "RawPolicy": of(
            "AWS::S3::BucketPolicy",
            Bucket=ref("Raw"),
            PolicyDocument=policy("s3:GetObject", {"Fn::Join": ["", [get("Raw"), "/*"]]}),
        ),
        "Table": of(
            "AWS::DynamoDB::Table",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "dataset", "AttributeType": "S"},
                {"AttributeName": "frozen_at", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=True,
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_dataset",
                    "KeySchema": [
                        {"AttributeName": "dataset", "KeyType": "HASH"},
                        {"AttributeName": "frozen_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            SSESpecification={"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": get("Key")},
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
            Tags=TAGS,
        ),
        "Global": of(
            "AWS::DynamoDB::GlobalTable",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            Replicas=[{"Region": ref("AWS::Region"), "DeletionProtectionEnabled": False, "Tags": TAGS}],
        ),
        "Secret": of(
            "AWS::SecretsManager::Secret",
            Description="HMAC key",
            KmsKeyId=get("Key"),
            GenerateSecretString={"PasswordLength": 64, "ExcludePunctuation": True},
        ),
    }


def functions() -> dict[str, Any]:
    return {
        "Role": of(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=TRUST,
            Description="runs things",
            Policies=[{"PolicyName": "own", "PolicyDocument": policy("logs:PutLogEvents")}],
            ManagedPolicyArns=[ref("Shared")],
            Tags=TAGS,
        ),
        "RolePolicy": of(
            "AWS::IAM::Policy",
            PolicyName="more",
            PolicyDocument=policy("s3:GetObject", {"Fn::Sub": "${Raw.Arn}/*"}),
            Roles=[ref("Role")],
        ),
        "Shared": of("AWS::IAM::ManagedPolicy", Description="shared", PolicyDocument=policy("s3:ListBucket")),
        "Group": of("AWS::Logs::LogGroup", RetentionInDays=30, KmsKeyId=get("Key"), Tags=TAGS),
        "LogStream": of("AWS::Logs::LogStream", LogGroupName=ref("Group"), LogStreamName="S3Delivery"),
        "Delivery": of("AWS::IAM::Role", AssumeRolePolicyDocument=FIREHOSE_TRUST),
        "Clicks": of(
            "AWS::KinesisFirehose::DeliveryStream",
            DeliveryStreamType="DirectPut",
            DeliveryStreamEncryptionConfigurationInput={"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": get("Key")},
            ExtendedS3DestinationConfiguration={
                "BucketARN": get("Raw"),
                "RoleARN": get("Delivery"),
                "Prefix": "clicks/!{partitionKeyFromLambda:dataset}/!{timestamp:yyyy-MM-dd}/",
                "ErrorOutputPrefix": "clicks-errors/!{firehose:error-output-type}/",
                "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
                "CompressionFormat": "GZIP",
                "FileExtension": ".gz",
                "EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": get("Key")}},
                "CloudWatchLoggingOptions": {
                    "Enabled": True,
                    "LogGroupName": ref("Group"),
                    "LogStreamName": "S3Delivery",
                },
                "DynamicPartitioningConfiguration": {"Enabled": True, "RetryOptions": {"DurationInSeconds": 300}},
                "ProcessingConfiguration": {
                    "Enabled": True,
                    "Processors": [
                        {
                            "Type": "Lambda",
                            "Parameters": [
                                {"ParameterName": "LambdaArn", "ParameterValue": get("Function")},
                                {"ParameterName": "NumberOfRetries", "ParameterValue": "3"},
                            ],
                        }
                    ],
                },
            },
            Tags=TAGS,
        ),
        "Dead": of("AWS::SQS::Queue", KmsMasterKeyId=get("Key"), MessageRetentionPeriod=1209600),
        "Notices": of(
            "AWS::SQS::Queue",
            KmsMasterKeyId=get("Key"),
            VisibilityTimeout=360,
            RedrivePolicy={"deadLetterTargetArn": get("Dead"), "maxReceiveCount": 5},
            Tags=TAGS,
        ),
        "Wake": of("AWS::SQS::Queue", FifoQueue=True, DelaySeconds=60, ContentBasedDeduplication=False),
        "NoticesPolicy": of(
            "AWS::SQS::QueuePolicy", Queues=[ref("Notices")], PolicyDocument=policy("sqs:SendMessage", get("Notices"))
        ),
        "Topic": of("AWS::SNS::Topic", DisplayName="Alarms", KmsMasterKeyId=get("Key"), Tags=TAGS),
        "TopicPolicy": of(
            "AWS::SNS::TopicPolicy", Topics=[ref("Topic")], PolicyDocument=policy("sns:Publish", ref("Topic"))
        ),
        "Subscription": of(
            "AWS::SNS::Subscription",
            TopicArn=ref("Topic"),
            Protocol="sqs",
            Endpoint=get("Dead"),
            RawMessageDelivery=True,
        ),
        "Function": of(
            "AWS::Lambda::Function",
            Code={"S3Bucket": BOOTSTRAP, "S3Key": CODE_KEY},
            Role=get("Role"),
            Runtime="provided.al2023",
            Handler="bootstrap",
            Timeout=60,
            MemorySize=256,
            Environment={"Variables": {"LEDGER_TABLE": ref("Table"), "RAW": {"Fn::Select": [0, [ref("Raw")]]}}},
            TracingConfig={"Mode": "Active"},
            LoggingConfig={"LogGroup": ref("Group")},
            Tags=TAGS,
        ),
        "Permission": of(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=get("Function"),
            Principal="events.amazonaws.com",
            SourceArn=get("Rule"),
        ),
        "Mapping": of(
            "AWS::Lambda::EventSourceMapping",
            EventSourceArn=get("Notices"),
            FunctionName=ref("Function"),
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 2},
        ),
        "Rule": of(
            "AWS::Events::Rule",
            EventPattern={"source": ["aws.s3"], "detail": {"bucket": {"name": [ref("Raw")]}}},
            State="ENABLED",
            Targets=[{"Arn": get("Function"), "Id": "Target0", "RetryPolicy": {"MaximumRetryAttempts": 3}}],
        ),
        "Schedule": of(
            "AWS::Scheduler::Schedule",
            FlexibleTimeWindow={"Mode": "OFF"},
            ScheduleExpression="rate(15 minutes)",
            State="ENABLED",
            Target={"Arn": get("Function"), "RoleArn": get("Role"), "Input": '{"action": "sweep"}'},
        ),
        "Alarm": of(
            "AWS::CloudWatch::Alarm",
            AlarmDescription="dead letters",
            AlarmActions=[ref("Topic")],
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Dimensions=[{"Name": "QueueName", "Value": get("Dead", "QueueName")}],
            EvaluationPeriods=1,
            MetricName="ApproximateNumberOfMessagesVisible",
            Namespace="AWS/SQS",
            Period=60,
            Statistic="Maximum",
            Threshold=1,
            TreatMissingData="notBreaching",
        ),
    }


def analytics() -> dict[str, Any]:
    return {
        "Database": of(
            "AWS::Glue::Database",
            CatalogId=ref("AWS::AccountId"),
            DatabaseInput={"Name": "commerce_operations", "Description": "the ledger"},
        ),
        "Batches": of(
            "AWS::Glue::Table",
            CatalogId=ref("AWS::AccountId"),
            DatabaseName=ref("Database"),
            TableInput={
                "Name": "batches",
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE"},
                "StorageDescriptor": {
                    "Columns": [{"Name": "batch", "Type": "string"}, {"Name": "read", "Type": "bigint"}],
                    "Location": {"Fn::Join": ["", ["s3://", ref("Raw"), "/ledger/batches/"]]},
                    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
                },
            },
        ),
        "Security": of(
            "AWS::Glue::SecurityConfiguration",
            Name="secure",
            EncryptionConfiguration={
                "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": get("Key")},
                "S3Encryptions": [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": get("Key")}],
            },
        ),
        "Connection": of(
            "AWS::Glue::Connection",
            CatalogId=ref("AWS::AccountId"),
            ConnectionInput={
                "Name": "network",
                "ConnectionType": "NETWORK",
                "ConnectionProperties": {},
                "Description": "where a database is",
                "PhysicalConnectionRequirements": {
                    "AvailabilityZone": "eu-west-1a",
                    "SecurityGroupIdList": ["sg-0f"],
                    "SubnetId": "subnet-0a",
                },
            },
        ),
        "Job": of(
            "AWS::Glue::Job",
            Connections={"Connections": [ref("Connection")]},
            Command={
                "Name": "glueetl",
                "PythonVersion": "3",
                "ScriptLocation": {"Fn::Sub": ["s3://${B}/refine.py", {"B": BOOTSTRAP}]},
            },
            DefaultArguments={"--lake": "commerce", "--ledger_table": ref("Table")},
            ExecutionProperty={"MaxConcurrentRuns": 4},
            GlueVersion="5.1",
            MaxRetries=0,
            NumberOfWorkers=2,
            Role=get("Role"),
            SecurityConfiguration=ref("Security"),
            Timeout=60,
            WorkerType="G.1X",
            Tags={"lake": "commerce"},
        ),
        "Machine": of(
            "AWS::StepFunctions::StateMachine",
            RoleArn=get("Role"),
            StateMachineType="STANDARD",
            DefinitionString='{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": '
            '"arn:${Partition}:states:::glue:startJobRun.sync", "Parameters": {"JobName": "${Job}"}, "End": true}}}',
            DefinitionSubstitutions={"Partition": ref("AWS::Partition"), "Job": ref("Job")},
            TracingConfiguration={"Enabled": True},
            LoggingConfiguration={"Level": "ERROR", "Destinations": []},
            Tags=TAGS,
        ),
        "Workgroup": of(
            "AWS::Athena::WorkGroup",
            Name="analysts",
            Description="people",
            RecursiveDeleteOption=True,
            State="ENABLED",
            WorkGroupConfiguration={
                "BytesScannedCutoffPerQuery": 10_000_000,
                "EnforceWorkGroupConfiguration": True,
                "PublishCloudWatchMetricsEnabled": True,
                "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
                "ResultConfiguration": {
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": get("Key")},
                    "OutputLocation": {"Fn::Sub": "s3://${Raw}/athena/analysts/"},
                },
            },
            Tags=TAGS,
        ),
        "Query": of(
            "AWS::Athena::NamedQuery",
            Name="failed_batches",
            Database=ref("Database"),
            QueryString="SELECT batch FROM batches",
            WorkGroup=ref("Workgroup"),
        ),
        "Metadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:x"}},
    }


def network() -> dict[str, Any]:
    def subnet(zone: int, block: str) -> dict[str, Any]:
        chosen = {"Fn::Select": [zone, {"Fn::GetAZs": ""}]}
        return of(
            "AWS::EC2::Subnet",
            AvailabilityZone=chosen,
            CidrBlock=block,
            MapPublicIpOnLaunch=False,
            VpcId=ref("Vpc"),
            Tags=TAGS,
        )

    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    return {
        "Vpc": of(
            "AWS::EC2::VPC",
            CidrBlock="10.0.0.0/16",
            EnableDnsHostnames=True,
            EnableDnsSupport=True,
            InstanceTenancy="default",
            Tags=TAGS,
        ),
        "SubnetA": subnet(0, "10.0.0.0/17"),
        "SubnetB": subnet(1, "10.0.128.0/17"),
        "Routes": of("AWS::EC2::RouteTable", VpcId=ref("Vpc"), Tags=TAGS),
        "RoutesOfA": of("AWS::EC2::SubnetRouteTableAssociation", RouteTableId=ref("Routes"), SubnetId=ref("SubnetA")),
        "SecurityGroup": of(
            "AWS::EC2::SecurityGroup",
            GroupDescription="replication",
            VpcId=ref("Vpc"),
            SecurityGroupEgress=[
                {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "Description": "source"}
            ],
            SecurityGroupIngress=[{**https, "CidrIp": get("Vpc", "CidrBlock"), "Description": "endpoints"}],
            Tags=TAGS,
        ),
        "Ingress": of(
            "AWS::EC2::SecurityGroupIngress",
            **https,
            Description="itself",
            GroupId=get("SecurityGroup", "GroupId"),
            SourceSecurityGroupId=get("SecurityGroup", "GroupId"),
        ),
        "Egress": of(
            "AWS::EC2::SecurityGroupEgress",
            **https,
            GroupId=get("SecurityGroup", "GroupId"),
            DestinationSecurityGroupId=get("SecurityGroup", "GroupId"),
        ),
        "S3Endpoint": of(
            "AWS::EC2::VPCEndpoint",
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            VpcEndpointType="Gateway",
            VpcId=ref("Vpc"),
            RouteTableIds=[ref("Routes")],
            Tags=TAGS,
        ),
        "SecretsEndpoint": of(
            "AWS::EC2::VPCEndpoint",
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.secretsmanager"},
            VpcEndpointType="Interface",
            VpcId=ref("Vpc"),
            PrivateDnsEnabled=True,
            SecurityGroupIds=[get("SecurityGroup", "GroupId")],
            SubnetIds=[ref("SubnetA"), ref("SubnetB")],
        ),
        "FlowLog": of(
            "AWS::EC2::FlowLog",
            DeliverLogsPermissionArn=get("Role"),
            LogDestinationType="cloud-watch-logs",
            LogGroupName=ref("Group"),
            ResourceId=ref("Vpc"),
            ResourceType="VPC",
            TrafficType="ALL",
            Tags=TAGS,
        ),
    }


def replication() -> dict[str, Any]:
    selection = {
        "rule-type": "selection",
        "rule-id": "1",
        "rule-name": "orders",
        "object-locator": {"schema-name": "public", "table-name": "orders"},
        "rule-action": "explicit",
    }
    return {
        "SourceEndpoint": of(
            "AWS::DMS::Endpoint",
            EndpointType="source",
            EngineName="postgres",
            DatabaseName="erp",
            SslMode="require",
            PostgreSqlSettings={
                "SecretsManagerAccessRoleArn": get("Role"),
                "SecretsManagerSecretId": ref("Secret"),
                "PluginName": "test-decoding",
            },
            Tags=TAGS,
        ),
        "TargetEndpoint": of(
            "AWS::DMS::Endpoint",
            EndpointType="target",
            EngineName="s3",
            S3Settings={
                "BucketName": ref("Raw"),
                "BucketFolder": "erp/g1",
                "ServiceAccessRoleArn": get("Role"),
                "DataFormat": "parquet",
                "IncludeOpForFullLoad": True,
                "ParquetTimestampInMillisecond": False,
                "CdcMaxBatchInterval": 60,
                "EncryptionMode": "sse-kms",
                "ServerSideEncryptionKmsKeyId": get("Key"),
            },
        ),
        "SubnetGroup": of(
            "AWS::DMS::ReplicationSubnetGroup",
            ReplicationSubnetGroupDescription="where it runs",
            SubnetIds=[ref("SubnetA"), ref("SubnetB")],
            Tags=TAGS,
        ),
        "Replication": of(
            "AWS::DMS::ReplicationConfig",
            ReplicationConfigIdentifier="erp-g1",
            ReplicationType="full-load-and-cdc",
            SourceEndpointArn=ref("SourceEndpoint"),
            TargetEndpointArn=ref("TargetEndpoint"),
            ComputeConfig={
                "MaxCapacityUnits": 4,
                "MinCapacityUnits": 1,
                "MultiAZ": False,
                "ReplicationSubnetGroupId": ref("SubnetGroup"),
                "VpcSecurityGroupIds": [get("SecurityGroup", "GroupId")],
            },
            TableMappings={"rules": [selection]},
            ReplicationSettings={"TargetMetadata": {"LobMaxSize": 1024}},
            Tags=TAGS,
        ),
    }


def template() -> dict[str, Any]:
    return {
        "Parameters": {
            "BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/cdk-bootstrap/hnb659fds/version",
            }
        },
        "Rules": {"CheckBootstrapVersion": {"Assertions": []}},
        "Resources": {**analytics(), **functions(), **storage(), **network(), **replication()},
        "Outputs": {"RawBucket": {"Value": ref("Raw")}, "MachineArn": {"Value": get("Machine")}},
    }
