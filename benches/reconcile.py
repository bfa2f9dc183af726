#!/usr/bin/env python3
"""How long it takes to judge a large estate, and how long a night on top of it takes.

Makes an organisation's year as files (CloudTrail logs and release records; synthetic, the same arguments give the same
files), collects them once, and then measures, each time on a copy of that store:

  first    `changetrail reconcile` on what was only collected: map, reconcile, control, everything
  again    the same after a change of the configuration: everything is judged again, nothing is mapped
  night    `changetrail audit` with one more day of files

Prints medians and the peak memory, and how the changes were judged. It asserts no limit: a figure belongs to its machine.
"""

import argparse
import datetime
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from audit import ROOT, TARGET, measure, processor_name, spread, step, stop, version

START = datetime.datetime(2026, 1, 1)
DAYS = 300
SERVICES = 20

# Who makes the changes: (share of the changes, changes made with one session).
PIPELINE, PERSON, WORKLOAD = (0.75, None), (0.15, 10), (0.10, 20)

CONFIG = """\
[store]
path = "every-run-names-its-own.duckdb"

[[source]]
name = "aws"
connector = "aws-cloudtrail"
path = "{folder}/trail"

[[source]]
name = "release-log"
connector = "release-log"
path = "{folder}/releases"

[[person]]
name = "Dana White"
roles = ["manager"]
identities = ["dana.white@example.org"]

[[person]]
name = "Alice Green"
roles = ["senior"]
identities = ["alice.green@example.org"]
"""

SERVICE = """
[[service]]
name = "{service}"
type = "deployed"
pipelines = ["{service}-release"]

[[scope]]
service = "{service}"
environment = "live"
aws_accounts = ["{account}"]

[[pipeline_identity]]
pipeline = "{service}-release"
environment = "live"
aws_roles = ["arn:aws:iam::{account}:role/deploy"]
oidc_subjects = ["repo:org/{service}:environment:prod"]
"""

RECORD = (
    '{{"eventVersion":"1.11","userIdentity":{identity},"eventTime":"{at}","eventSource":"{source}",'
    '"eventName":"{name}","awsRegion":"eu-west-2","sourceIPAddress":"198.51.100.7","userAgent":"{agent}",'
    '"requestParameters":{request},"responseElements":{response},"requestID":"{id}","eventID":"{id}","readOnly":{reads},'
    '"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management"}}'
)
CALLS = (
    ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", '{{"functionName":"{service}-{n}"}}'),
    ("s3.amazonaws.com", "PutBucketPolicy", '{{"bucketName":"{service}-{n}"}}'),
    ("ecs.amazonaws.com", "UpdateService", '{{"service":"{service}-{n}","cluster":"{service}"}}'),
    ("iam.amazonaws.com", "PutRolePolicy", '{{"roleName":"{service}-{n}","policyName":"p"}}'),
    ("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", '{{"groupId":"sg-{n:012x}"}}'),
)


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Estate:
    """Writes the files of a period; sessions and runs are numbered through."""

    def __init__(self, folder, seed):
        self.folder, self.random = folder, random.Random(seed)
        self.services = [(f"service-{i}", f"{100_000_000_000 + i}") for i in range(SERVICES)]
        self.number = seed * 100_000_000
        self.events = []

    def id(self):
        self.number += 1
        return f"{self.random.getrandbits(64):016x}-{self.number:012d}"

    def event(self, at, account, source, name, identity, request, response="null", agent="aws-sdk-go/1.44", reads="false"):
        record = RECORD.format(
            identity=identity, at=stamp(at), source=source, name=name, agent=agent, request=request, response=response,
            id=self.id(), reads=reads, account=account,
        )
        self.events.append((at, record))

    def session(self, at, account, role, name, call, caller, extra=""):
        """Somebody takes a role; gives the identity that acts with it."""
        self.number += 1
        key, arn = f"ASIA{self.number:016d}", f"arn:aws:sts::{account}:assumed-role/{role}/{name}"
        self.event(
            at, account, "sts.amazonaws.com", call, caller,
            f'{{"roleArn":"arn:aws:iam::{account}:role/{role}","roleSessionName":"{name}"}}',
            f'{{"credentials":{{"accessKeyId":"{key}","expiration":"x"}},"assumedRoleUser":{{"assumedRoleId":"AROA:{name}","arn":"{arn}"}}{extra}}}',
            reads="true",
        )
        return (
            f'{{"type":"AssumedRole","principalId":"AROA:{name}","arn":"{arn}","accountId":"{account}","accessKeyId":"{key}",'
            f'"sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA","arn":"arn:aws:iam::{account}:role/{role}",'
            f'"accountId":"{account}","userName":"{role}"}},"attributes":{{"creationDate":"{stamp(at)}","mfaAuthenticated":"false"}}}}}}'
        )

    def changes(self, at, seconds, service, account, identity, count, agent):
        for _ in range(count):
            source, name, request = self.random.choice(CALLS)
            request = request.format(service=service, n=self.random.randrange(200))
            when = at + datetime.timedelta(seconds=self.random.randrange(seconds))
            self.event(when, account, source, name, identity, request, agent=agent)

    def release(self, at, service, account, count):
        """One release, in pre-production and live, and what its run changes in live; gives two records."""
        self.number += 1
        run, records = self.number, []
        for stage, environment, start in (("preprod", "preprod", at - datetime.timedelta(hours=3)), ("prod", "live", at)):
            records.append(json.dumps({
                "schema": "changetrail.deployment/1", "id": f"{service}:{run}:{stage}", "release_id": f"{service}/{run}",
                "pipeline": f"{service}-release", "service": service, "version": f"1.{run}", "commit": f"{run:040x}",
                "artifact_digest": f"sha256:{run:064x}", "steps_digest": "sha256:" + "0" * 64, "stage": stage,
                "environment": environment, "trigger": "manual", "requested_by": "alice.green@example.org",
                "started_at": stamp(start), "finished_at": stamp(start + datetime.timedelta(minutes=20)), "outcome": "succeeded",
                "approvals": [{
                    "phase": "pre", "decision": "approved", "approver": "dana.white@example.org",
                    "decided_at": stamp(start - datetime.timedelta(minutes=5)), "automated": False, "gated": True,
                }],
                "keys": {"run_ids": [str(run)], "aws_session_names": [f"gh-{run}"]},
                "recorded_at": stamp(start + datetime.timedelta(minutes=21)),
            }))  # fmt: skip
        subject = f"repo:org/{service}:environment:prod"
        caller = f'{{"type":"WebIdentityUser","principalId":"x","userName":"{subject}","identityProvider":"token.actions.githubusercontent.com"}}'
        identity = self.session(at, account, "deploy", f"gh-{run}", "AssumeRoleWithWebIdentity", caller, f',"subjectFromWebIdentityToken":"{subject}"')
        self.changes(at, 1200, service, account, identity, count, "Terraform/1.9 terraform-provider-aws/5.0")
        return records

    def period(self, name, first_day, days, changes, sessions, deployments):
        """Writes one folder of logs and one file of release records."""
        per_day = [value // days for value in (changes, sessions, deployments // 2)]
        service_identity = '{"type":"AWSService","invokedBy":"lambda.amazonaws.com"}'
        releases = self.folder / "releases" / f"{name}.jsonl"
        releases.parent.mkdir(parents=True, exist_ok=True)
        with releases.open("w") as log:
            for day in range(days):
                midnight = START + datetime.timedelta(days=first_day + day)
                made, taken, runs = (value + (total % days if day == 0 else 0) for value, total in zip(per_day, (changes, sessions, deployments // 2)))
                by_person, by_workload = int(made * PERSON[0]), int(made * WORKLOAD[0])
                by_pipeline = made - by_person - by_workload
                for run in range(runs):
                    service, account = self.random.choice(self.services)
                    at = midnight + datetime.timedelta(seconds=self.random.randrange(80_000))
                    count = by_pipeline // runs + (by_pipeline % runs if run == 0 else 0)
                    log.writelines(f"{record}\n" for record in self.release(at, service, account, count))
                taken -= runs
                for total, each, role, agent in ((by_person, PERSON[1], "AWSReservedSSO_Admin_0123456789abcdef", "aws-cli/2"), (by_workload, WORKLOAD[1], "app", "Boto3/1")):
                    for begin in range(0, total, each):
                        service, account = self.random.choice(self.services)
                        at = midnight + datetime.timedelta(seconds=self.random.randrange(80_000))
                        if role == "app":
                            identity = self.session(at, account, role, "app", "AssumeRole", service_identity)
                        else:
                            name = f"person-{self.random.randrange(200)}@example.org"
                            caller = f'{{"type":"SAMLUser","principalId":"x","userName":"{name}","identityProvider":"idp"}}'
                            identity = self.session(at, account, role, name, "AssumeRoleWithSAML", caller)
                        self.changes(at, 3600, service, account, identity, min(each, total - begin), agent)
                        taken -= 1
                for _ in range(taken):
                    _, account = self.random.choice(self.services)
                    at = midnight + datetime.timedelta(seconds=self.random.randrange(86_400))
                    self.session(at, account, "function", f"function-{self.random.randrange(500)}", "AssumeRole", service_identity)
                self.write(midnight)

    def write(self, day):
        folder = self.folder / "trail" / f"{day:%Y/%m/%d}"
        folder.mkdir(parents=True, exist_ok=True)
        self.events.sort(key=lambda event: event[0])
        body = '{"Records":[' + ",".join(record for _, record in self.events) + "]}"
        (folder / "events.json.gz").write_bytes(gzip.compress(body.encode(), 1, mtime=0))
        self.events.clear()


def estate(arguments):
    """Makes the files once: those of the year, and those of the night after it."""
    sizes = (arguments.changes, arguments.sessions, arguments.deployments, arguments.night)
    folder = TARGET.resolve() / "bench" / ("estate-" + "-".join(map(str, sizes)))
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        step(f"making {arguments.changes:,} changes, {arguments.sessions:,} sessions, {arguments.deployments:,} deployments")
        share = arguments.night / arguments.changes
        Estate(folder / "year", 1).period("year", 0, DAYS, arguments.changes, arguments.sessions, arguments.deployments)
        Estate(folder / "night", 2).period("night", DAYS, 1, arguments.night, int(arguments.sessions * share), int(arguments.deployments * share))
        services = [SERVICE.format(service=f"service-{i}", account=f"{100_000_000_000 + i}") for i in range(SERVICES)]
        for name, extra in (("year", ""), ("again", '[[person]]\nname = "Erin Black"\nroles = ["senior"]\n')):
            (folder / f"{name}.toml").write_text(CONFIG.format(folder="year") + "".join(services) + extra)
        (folder / "done").touch()
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=2_000_000)
    parser.add_argument("--deployments", type=int, default=50_000)
    parser.add_argument("--night", type=int, default=20_000, help="changes of the night on top")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bin", type=Path, help="a built changetrail (default: build the release profile)")
    arguments = parser.parse_args()

    if arguments.bin:
        binary = arguments.bin.resolve()
    else:
        step("building the release profile")
        subprocess.run(["make", "--silent", "build"], cwd=ROOT, check=True, stdout=sys.stderr)
        binary = TARGET.resolve() / "release" / "changetrail"
    folder = estate(arguments)
    print(f"machine      {len(os.sched_getaffinity(0))} cores, {processor_name()}")
    print(f"versions     {version([binary, '--version'])}", flush=True)

    figures = {}

    def run(name, config, store, *command):
        figure = measure([binary, "--config", folder / config, "--store", store, *command], allowed=(0, 1))
        figures.setdefault(name, []).append(figure[:3])
        step(f"{name}: {figure[0]:.1f} s, {figure[1]:.1f} s of processor time")

    with tempfile.TemporaryDirectory(prefix="estate-", dir=folder) as scratch:
        scratch = Path(scratch)
        collected, judged, store = (scratch / f"{name}.duckdb" for name in ("collected", "judged", "store"))
        # Everything is read from one place, to which the night adds its files: a source that moves is mapped anew.
        trail = scratch / "both"
        for name in ("year", "again"):
            config = (folder / f"{name}.toml").read_text().replace('path = "year/', f'path = "{trail}/')
            (scratch / f"{name}.toml").write_text(config)

        def add(period):
            for kind in ("trail", "releases"):
                shutil.copytree(folder / period / kind, trail / kind, copy_function=os.link, dirs_exist_ok=True)

        add("year")
        run("collect", scratch / "year.toml", collected, "collect")
        add("night")
        for _ in range(arguments.runs):
            shutil.copy(collected, judged)
            shutil.copy(f"{collected}.key", f"{judged}.key")
            run("first", scratch / "year.toml", judged, "reconcile")
            for name, config, command in (("again", "again.toml", "reconcile"), ("night", "year.toml", "audit")):
                shutil.copy(judged, store)
                shutil.copy(f"{collected}.key", f"{store}.key")
                run(name, scratch / config, store, command)
        rows = measure([binary, "--config", folder / "year.toml", "--store", store, "query", "-o", "json",
                        "select verdict, count(*) as changes from change group by verdict order by 2 desc"])[3]  # fmt: skip
        size = judged.stat().st_size
    print("judged       " + ", ".join(f"{int(row['changes']):,} {row['verdict']}" for row in json.loads(rows)))
    print(f"store        {size / 1e6:.0f} MB")
    for name, values in figures.items():
        seconds, processor, peak = zip(*values, strict=True)
        print(f"{name:<12} {spread(seconds, 's')}; processor {statistics.median(processor):.2f} s; {max(peak) / 1e6:.0f} MB peak")
    if not rows:
        stop("nothing was judged")


if __name__ == "__main__":
    main()
