"""The API calls of the story: what a record says about each of them."""

from dataclasses import dataclass
from datetime import datetime

from .ids import Ids
from .world import HOME


@dataclass
class Call:
    source: str
    name: str
    request: dict | None
    response: dict | None = None
    resources: list | None = None
    read_only: bool = False
    everywhere: bool = False
    """A global service: recorded in us-east-1."""
    more: dict | None = None

    def __post_init__(self):
        self.source += ".amazonaws.com"


def spoken(when: datetime) -> str:
    """Times inside responses: `Nov 3, 2026, 9:31:40 AM`."""
    return f"{when:%b} {when.day}, {when:%Y}, {int(when.strftime('%I'))}:{when:%M:%S %p}"


def resource(account: str, kind: str, arn: str) -> list:
    return [{"accountId": account, "type": kind, "ARN": arn}]


def put_parameter(account: str, name: str, version: int = 4) -> Call:
    arn = f"arn:aws:ssm:{HOME}:{account}:parameter{name}"
    return Call("ssm", "PutParameter",
                {"name": name, "value": "HIDDEN_DUE_TO_SECURITY_REASONS", "type": "String", "overwrite": True},
                {"version": version, "tier": "Standard"}, [{"accountId": account, "ARN": arn}])


def update_code(account: str, function: str, ids: Ids) -> Call:
    return Call("lambda", "UpdateFunctionCode20150331v2",
                {"functionName": function, "s3Bucket": "fenmoor-artifacts", "s3Key": f"{function}/{ids.hex(12)}.zip",
                 "publish": True, "dryRun": False},
                {"functionName": function, "functionArn": f"arn:aws:lambda:{HOME}:{account}:function:{function}",
                 "runtime": "provided.al2023", "version": str(ids.random.randrange(40, 300)),
                 "lastUpdateStatus": "InProgress"})


def update_function_settings(account: str, function: str, memory: int = 512) -> Call:
    return Call("lambda", "UpdateFunctionConfiguration20150331v2",
                {"functionName": function, "memorySize": memory, "timeout": 20},
                {"functionName": function, "functionArn": f"arn:aws:lambda:{HOME}:{account}:function:{function}",
                 "memorySize": memory, "timeout": 20, "lastUpdateStatus": "InProgress"})


def update_service(account: str, cluster: str, service: str, revision: int) -> Call:
    arn = f"arn:aws:ecs:{HOME}:{account}:service/{cluster}/{service}"
    return Call("ecs", "UpdateService",
                {"cluster": cluster, "service": service, "taskDefinition": f"{service}:{revision}",
                 "forceNewDeployment": False},
                {"service": {"serviceArn": arn, "serviceName": service, "status": "ACTIVE", "desiredCount": 3}})


def register_task(account: str, family: str, revision: int) -> Call:
    arn = f"arn:aws:ecs:{HOME}:{account}:task-definition/{family}:{revision}"
    return Call("ecs", "RegisterTaskDefinition",
                {"family": family, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
                 "cpu": "512", "memory": "1024"},
                {"taskDefinition": {"taskDefinitionArn": arn, "family": family, "revision": revision,
                                    "status": "ACTIVE"}})


def update_table(account: str, table: str) -> Call:
    arn = f"arn:aws:dynamodb:{HOME}:{account}:table/{table}"
    return Call("dynamodb", "UpdateTable",
                {"tableName": table, "billingMode": "PAY_PER_REQUEST"},
                {"tableDescription": {"tableName": table, "tableArn": arn, "tableStatus": "UPDATING"}},
                resource(account, "AWS::DynamoDB::Table", arn))


def describe_table(account: str, table: str) -> Call:
    arn = f"arn:aws:dynamodb:{HOME}:{account}:table/{table}"
    return Call("dynamodb", "DescribeTable", {"tableName": table}, None,
                resource(account, "AWS::DynamoDB::Table", arn), read_only=True)


def modify_database(account: str, name: str, days: int = 14) -> Call:
    return Call("rds", "ModifyDBInstance",
                {"dBInstanceIdentifier": name, "backupRetentionPeriod": days, "applyImmediately": True,
                 "allowMajorVersionUpgrade": False},
                {"dBInstanceIdentifier": name, "dBInstanceArn": f"arn:aws:rds:{HOME}:{account}:db:{name}",
                 "dBInstanceStatus": "available", "pendingModifiedValues": {"backupRetentionPeriod": days}})


def open_port(account: str, group: str, port: int, source: str) -> Call:
    permission = {"ipProtocol": "tcp", "fromPort": port, "toPort": port,
                  "groups": {}, "ipRanges": {"items": [{"cidrIp": source}]}, "ipv6Ranges": {}, "prefixListIds": {}}
    rule = {"groupOwnerId": account, "groupId": group, "isEgress": False, "ipProtocol": "tcp",
            "fromPort": port, "toPort": port, "cidrIpv4": source}
    return Call("ec2", "AuthorizeSecurityGroupIngress",
                {"groupId": group, "ipPermissions": {"items": [permission]}},
                {"_return": True, "securityGroupRuleSet": {"items": [rule]}})


def reboot(instance: str) -> Call:
    return Call("ec2", "RebootInstances", {"instancesSet": {"items": [{"instanceId": instance}]}}, {"_return": True})


def create_snapshot(volume: str, snapshot: str) -> Call:
    return Call("ec2", "CreateSnapshot",
                {"volumeId": volume, "description": "nightly"},
                {"snapshotId": snapshot, "volumeId": volume, "status": "pending", "encrypted": True})


def delete_snapshot(snapshot: str) -> Call:
    return Call("ec2", "DeleteSnapshot", {"snapshotId": snapshot, "force": False}, {"_return": True})


def set_desired(group: str, capacity: int) -> Call:
    return Call("autoscaling", "SetDesiredCapacity",
                {"autoScalingGroupName": group, "desiredCapacity": capacity, "honorCooldown": True})


def execute_policy(group: str, policy: str) -> Call:
    return Call("autoscaling", "ExecutePolicy",
                {"autoScalingGroupName": group, "policyName": policy, "honorCooldown": False})


def terminate(instance: str) -> Call:
    return Call("ec2", "TerminateInstances", {"instancesSet": {"items": [{"instanceId": instance}]}},
                {"instancesSet": {"items": [{"instanceId": instance,
                                             "currentState": {"code": 32, "name": "shutting-down"},
                                             "previousState": {"code": 16, "name": "running"}}]}})


def attach_policy(role: str, policy: str) -> Call:
    return Call("iam", "AttachRolePolicy", {"roleName": role, "policyArn": policy}, everywhere=True)


def put_role_policy(role: str, name: str, document: str) -> Call:
    return Call("iam", "PutRolePolicy", {"roleName": role, "policyName": name, "policyDocument": document},
                everywhere=True)


def create_access_key(user: str, ids: Ids, when: datetime) -> Call:
    return Call("iam", "CreateAccessKey", {"userName": user},
                {"accessKey": {"accessKeyId": ids.access_key(temporary=False), "status": "Active", "userName": user,
                               "createDate": spoken(when)}}, everywhere=True)


def change_record(zone: str, name: str, target: str) -> Call:
    change = {"action": "UPSERT", "resourceRecordSet": {"name": name, "type": "CNAME", "tTL": 60,
                                                        "resourceRecords": [{"value": target}]}}
    return Call("route53", "ChangeResourceRecordSets",
                {"hostedZoneId": zone, "changeBatch": {"changes": [change]}},
                {"changeInfo": {"status": "PENDING"}}, everywhere=True)


def bucket_call(account: str, name: str, bucket: str, what: str, value: dict) -> Call:
    """PutBucketPolicy, PutBucketLifecycle, PutBucketWebsite, …"""
    return Call("s3", name,
                {"bucketName": bucket, "Host": f"{bucket}.s3.{HOME}.amazonaws.com", what: value},
                None, resource(account, "AWS::S3::Bucket", f"arn:aws:s3:::{bucket}"),
                more={"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256",
                      "bytesTransferredIn": 412, "AuthenticationMethod": "AuthHeader", "bytesTransferredOut": 0})


def bucket_policy(account: str, bucket: str) -> Call:
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "s3:GetObject",
                 "Resource": f"arn:aws:s3:::{bucket}/*"}
    return bucket_call(account, "PutBucketPolicy", bucket, "bucketPolicy",
                       {"Version": "2012-10-17", "Statement": [statement]})


def list_buckets() -> Call:
    return Call("s3", "ListBuckets", {"Host": f"s3.{HOME}.amazonaws.com"}, read_only=True)


def update_distribution(account: str, distribution: str) -> Call:
    return Call("cloudfront", "UpdateDistribution",
                {"id": distribution, "distributionConfig": {"enabled": True, "priceClass": "PriceClass_100",
                                                            "defaultRootObject": "index.html"}},
                {"distribution": {"id": distribution, "status": "InProgress",
                                  "aRN": f"arn:aws:cloudfront::{account}:distribution/{distribution}"}},
                everywhere=True)


def update_stack(account: str, stack: str, stack_id: str, role_arn: str | None, ids: Ids) -> Call:
    request = {"stackName": stack, "capabilities": ["CAPABILITY_IAM"], "clientRequestToken": ids.uuid(),
               "templateURL": f"https://fenmoor-templates.s3.{HOME}.amazonaws.com/{stack}/{ids.hex(8)}.json"}
    if role_arn:
        request["roleARN"] = role_arn
    return Call("cloudformation", "UpdateStack", request,
                {"stackId": f"arn:aws:cloudformation:{HOME}:{account}:stack/{stack}/{stack_id}"})


def modify_listener(account: str, listener: str) -> Call:
    arn = f"arn:aws:elasticloadbalancing:{HOME}:{account}:listener/app/{listener}"
    return Call("elasticloadbalancing", "ModifyListener", {"listenerArn": arn, "port": 443, "protocol": "HTTPS"},
                {"listeners": [{"listenerArn": arn, "port": 443, "protocol": "HTTPS"}]})


def put_alarm(name: str) -> Call:
    return Call("monitoring", "PutMetricAlarm",
                {"alarmName": name, "metricName": "HTTPCode_Target_5XX_Count", "namespace": "AWS/ApplicationELB",
                 "statistic": "Sum", "period": 60, "evaluationPeriods": 3, "threshold": 25,
                 "comparisonOperator": "GreaterThanThreshold"})


def decrypt(account: str, key: str) -> Call:
    return Call("kms", "Decrypt", {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}, None,
                resource(account, "AWS::KMS::Key", f"arn:aws:kms:{HOME}:{account}:key/{key}"), read_only=True)


def start_query(group: str, ids: Ids) -> Call:
    return Call("logs", "StartQuery",
                {"logGroupName": group, "startTime": 1, "endTime": 2,
                 "queryString": "fields @timestamp, @message | sort @timestamp desc | limit 20"},
                {"queryId": ids.uuid()})


def heartbeat(instance: str) -> Call:
    return Call("ssm", "UpdateInstanceInformation",
                {"instanceId": instance, "agentVersion": "3.3.3050.0", "agentStatus": "Active",
                 "platformType": "Linux", "platformName": "Amazon Linux", "platformVersion": "2023"})
