"""The organisation played against the emulator of `localstack/start`, with boto3.

Two parts. The log files of the story go into a bucket, as a trail would put them there.
Then people and build servers make real calls, now, so that LookupEvents has something to say:
what the emulator records of them is thin (README.md), so who calls is told by the access key id,
which it takes for the name of an IAM user.
"""

import csv
import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import world
from .ids import Ids
from .records import stamp
from .releases import Log, approval
from .story import Truth
from .world import GLOBAL, HOME, IDRIS, JOEL, KIT, MARTA, SAOIRSE, WEN

HERE = Path(__file__).resolve().parent.parent
ACCOUNT = "000000000000"
"""The account that the emulator gives to whoever signs with a key that is not a 12-digit number."""
BUCKET = "fenmoor-trail"
CI = "ci-moorings"
"""Build server of moorings, whose release is recorded; that of lockwatch releases without a record."""
STRANGER = "svc-import"
PACE = 0.05
"""Seconds between calls. LookupEvents never pages and gives 50 at most: fewer must fall into any second."""
EXISTS = ("AlreadyExists", "AlreadyOwnedByYou", "ResourceInUse", "InvalidGroup.Duplicate", "EntityAlreadyExists",
          "ResourceExists", "ResourceConflict")


class Emulator:
    def __init__(self, port: str):
        self.url = f"http://127.0.0.1:{port}"

    def client(self, service: str, user: str, region: str = HOME, secret: str = "test", token: str | None = None,
               agent: str | None = None):
        config = Config(proxies={}, user_agent_extra=agent, s3={"addressing_style": "path"},
                        retries={"max_attempts": 2}, connect_timeout=3, read_timeout=30)
        return boto3.client(service, endpoint_url=self.url, region_name=region, aws_access_key_id=user,
                            aws_secret_access_key=secret, aws_session_token=token, config=config)

    def request(self, path: str, body: dict | None = None) -> bytes:
        """The emulator's own interface, not one of AWS. Never by way of a proxy."""
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        headers = {"content-type": "application/json"}
        with opener.open(urllib.request.Request(self.url + path, data=data, headers=headers), timeout=5) as answer:
            return answer.read()

    def record(self, on: bool) -> None:
        self.request("/_ministack/config", {"cloudtrail._recording_enabled": "true" if on else "false"})


def tolerant(call) -> None:
    """Makes a call; that the thing is there already, from an earlier seed, is no fault."""
    try:
        call()
    except ClientError as error:
        if not any(word in error.response["Error"]["Code"] for word in EXISTS):
            raise


def put_trail(emulator: Emulator, trail: dict[str, bytes]) -> None:
    """The log files into a bucket, unrecorded: a trail's own deliveries are not what is looked up."""
    emulator.record(False)
    try:
        s3 = emulator.client("s3", "test")
        tolerant(lambda: s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": HOME}))
        old = [item["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
               for item in page.get("Contents", [])]
        for key in old:
            s3.delete_object(Bucket=BUCKET, Key=key)
        for key, data in trail.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    finally:
        emulator.record(True)


def by_pipeline(emulator: Emulator, user: str, region: str) -> None:
    """What a build server does in a release."""
    service = user.removeprefix("ci-")
    agent = "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.18.0"
    ssm = emulator.client("ssm", user, region, agent=agent)
    calls = [lambda n=n: ssm.put_parameter(Name=f"/{service}/live/setting-{n}", Value=str(n), Type="String",
                                           Overwrite=True) for n in range(32)]
    tables = emulator.client("dynamodb", user, region, agent=agent)
    logs = emulator.client("logs", user, region, agent=agent)
    rules = emulator.client("events", user, region, agent=agent)
    calls += [
        lambda: tables.create_table(TableName=f"{service}-items", BillingMode="PAY_PER_REQUEST",
                                    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                                    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}]),
        lambda: tables.describe_table(TableName=f"{service}-items"),
        lambda: logs.create_log_group(logGroupName=f"/{service}/web"),
        lambda: logs.put_retention_policy(logGroupName=f"/{service}/web", retentionInDays=90),
        lambda: rules.put_rule(Name=f"{service}-nightly", ScheduleExpression="rate(1 day)"),
        lambda: ssm.get_parameter(Name=f"/{service}/live/setting-1"),
    ]
    slowly(calls)


def slowly(calls) -> None:
    for call in calls:
        tolerant(call)
        time.sleep(PACE)


def by_people(emulator: Emulator) -> None:
    """What people do by hand, each as an IAM user of the same name."""
    def client(person, service, region=HOME):
        return emulator.client(service, person.login, region, agent="md/command#" + service)

    joel, kit, saoirse = client(JOEL, "ssm"), client(KIT, "sqs"), client(SAOIRSE, "ec2")
    iam, secrets, topics = client(WEN, "iam", GLOBAL), client(KIT, "secretsmanager"), client(SAOIRSE, "events", GLOBAL)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT},
                                                     "Action": "sts:AssumeRole"}]}
    calls = [lambda n=n: joel.put_parameter(Name=f"/moorings/live/banner-{n}", Value="closed today", Type="String",
                                            Overwrite=True) for n in range(8)]
    calls += [
        lambda: joel.put_parameter(Name="/moorings/live/database-password", Value="not-a-secret",
                                   Type="SecureString", Overwrite=True),
        lambda: joel.describe_parameters(),
        lambda: kit.create_queue(QueueName="moorings-notices"),
        lambda: secrets.create_secret(Name="moorings-mail", SecretString="not-a-secret"),
        lambda: saoirse.create_security_group(GroupName="moorings-desk", Description="reception desk"),
        lambda: iam.create_role(RoleName="moorings-deploy", AssumeRolePolicyDocument=json.dumps(trust)),
        lambda: iam.attach_role_policy(RoleName="moorings-deploy", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess"),
        lambda: topics.put_rule(Name="lockwatch-extra", ScheduleExpression="rate(1 hour)"),
    ]
    slowly(calls)
    stranger = emulator.client("ssm", STRANGER)
    slowly(lambda n=n: stranger.put_parameter(Name=f"/moorings/live/import-{n}", Value="1", Type="String",
                                              Overwrite=True) for n in range(3))


def as_the_role(emulator: Emulator) -> str:
    """A person takes a role. The emulator records the session as an IAM user named after its key."""
    sts = emulator.client("sts", MARTA.login)
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/moorings-deploy", RoleSessionName="by-hand")
    keys = given["Credentials"]
    ssm = emulator.client("ssm", keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=keys["SessionToken"])
    tolerant(lambda: ssm.put_parameter(Name="/moorings/live/by-hand", Value="1", Type="String", Overwrite=True))
    return keys["AccessKeyId"]


def truth(emulator: Emulator, since: datetime, deployment: str, session: str) -> list[Truth]:
    """What changetrail should say of each recorded call, told by who made it."""
    people = {p.login: ("manual", p.mail, "person") for p in (JOEL, KIT, SAOIRSE, WEN)}
    callers = people | {
        CI: ("released", world.MOORINGS_PIPELINE, "pipeline", deployment, "identity"),
        world.CI_USER: ("unrecorded", world.LOCKWATCH_PIPELINE, "pipeline"),
        STRANGER: ("unattributed", "*", "unknown"),
        session: ("unattributed", "*", "unknown"),
        MARTA.login: ("no-change", "", ""),
    }
    lines = []
    for region in (HOME, GLOBAL):
        client = emulator.client("cloudtrail", "test", region)
        for user, said in callers.items():
            found = client.lookup_events(StartTime=since, LookupAttributes=[
                {"AttributeKey": "AccessKeyId", "AttributeValue": user}])["Events"]
            for event in found:
                note = f"{event['EventName']} by {user} in {region}"
                if event["ReadOnly"] == "true":
                    lines.append(Truth(event["EventId"], "no-change", note=note))
                else:
                    lines.append(Truth(event["EventId"], *said[:3], *said[3:] or ("", ""), note))
    return lines


def write(out: Path, log: Log, lines: list[Truth], fresh: bool) -> None:
    """Adds to what earlier seeds of the same emulator wrote; a fresh emulator starts anew."""
    folder = out / "lookup-releases"
    folder.mkdir(parents=True, exist_ok=True)
    fresh = fresh or not (out / "lookup-truth.csv").exists()
    mode = "w" if fresh else "a"
    with (folder / "moorings-release.jsonl").open(mode, encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in log.lines)
    with (out / "lookup-truth.csv").open(mode, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(Truth.__dataclass_fields__)
        writer.writerows(vars(line).values() for line in lines)


def configuration(emulator: Emulator) -> str:
    """localstack/lookup.toml for files that lie beside it and for the emulator's own port."""
    text = (HERE / "lookup.toml").read_text(encoding="utf-8")
    text = text[text.index("[store]"):].replace("http://127.0.0.1:4566", emulator.url)
    return "# Written by localstack/seed from localstack/lookup.toml.\n\n" + text.replace('path = ".state/', 'path = "')


def play(trail: dict[str, bytes], out: Path, *, config: bool) -> None:
    """Makes the calls, and writes what belongs to them into `out`."""
    emulator = Emulator(os.environ.get("CHANGETRAIL_AWS_PORT") or "4566")
    try:
        emulator.request("/_ministack/health")
    except (urllib.error.URLError, OSError):
        sys.exit(f"seed: no MiniStack answers at {emulator.url}. Run localstack/start (with the same "
                 "CHANGETRAIL_AWS_PORT), or use --offline to write the files only.")
    try:
        fresh = not any(emulator.client("cloudtrail", "test", region).lookup_events(MaxResults=1)["Events"]
                        for region in (HOME, GLOBAL))
        put_trail(emulator, trail)
        since = datetime.now(UTC).replace(microsecond=0)
        by_pipeline(emulator, CI, HOME)
        by_pipeline(emulator, world.CI_USER, GLOBAL)
        by_people(emulator)
        session = as_the_role(emulator)
        until = datetime.now(UTC) + timedelta(seconds=1)
        log, deployment = release(since, until)
        # Two seeds within minutes have windows that overlap: which of their releases is linked is not said here.
        lines = truth(emulator, since, deployment if fresh else "*", session)
    except (ClientError, BotoCoreError, urllib.error.URLError, OSError) as error:
        sys.exit(f"seed: the emulator at {emulator.url} failed: {error}. Look into the log that localstack/start "
                 "named; localstack/stop and localstack/start begin anew.")
    write(out, log, lines, fresh)
    if config:
        (out / "lookup.toml").write_text(configuration(emulator), encoding="utf-8")
    print(f"{len(trail)} log files in s3://{BUCKET}, {len(lines)} calls recorded: {emulator.url}")


def release(since: datetime, until: datetime) -> tuple[Log, str]:
    """The release that explains what the build server of moorings has just done."""
    number = int(since.timestamp())
    log = Log(Ids(f"lookup:{number}"))
    entry = log.release(world.MOORINGS, world.MOORINGS_PIPELINE, number)
    hour = since - timedelta(hours=1)
    entry.stage("preprod", hour, 10, approvals=[approval(WEN, hour - timedelta(minutes=3))])
    deployment = entry.stage("prod", since, 1, approvals=[approval(IDRIS, since - timedelta(minutes=9))])
    log.lines[-1]["finished_at"] = log.lines[-1]["recorded_at"] = stamp(until)
    return log, deployment
