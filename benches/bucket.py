#!/usr/bin/env python3
"""How long it takes to read many small log files from a bucket: those of a trail in the emulator of localstack/.

Starts the emulator on a port of its own, puts the files there, collects twice (all, then nothing new), and prints
objects a second. The emulator is a single Python process, so the rate is mostly its own: it shows what goes on beside
the waiting, not what S3 can do. Needs what localstack/start needs.
"""

import argparse
import datetime
import gzip
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUT = """
import concurrent.futures, json, sys, boto3
from botocore.config import Config
s3 = boto3.client("s3", endpoint_url=sys.argv[1], config=Config(max_pool_connections=16))
s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
files = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    list(pool.map(lambda file: s3.put_object(Bucket="trail", Key=file[0], Body=bytes.fromhex(file[1])), files))
"""


def log_files(count):
    """Keys and contents: one record each, spread over three accounts and two regions."""
    now = datetime.datetime.now(datetime.timezone.utc)
    for number in range(count):
        account, region = f"{111111111111 * (number % 3 + 1)}", ("eu-west-2", "us-east-1")[number % 2]
        record = {"eventID": str(number), "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}", "eventSource": "ec2.amazonaws.com",
                  "eventName": "RunInstances", "readOnly": False, "recipientAccountId": account}
        name = f"{account}_CloudTrail_{region}_{now:%Y%m%dT%H%M}Z_{number:016d}.json.gz"
        key = f"AWSLogs/{account}/CloudTrail/{region}/{now:%Y/%m/%d}/{name}"
        yield key, gzip.compress(json.dumps({"Records": [record]}).encode()).hex()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=3_000)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "target" / "release" / "changetrail")
    arguments = parser.parse_args()
    with socket.socket() as free, tempfile.TemporaryDirectory(prefix="changetrail-bench-") as scratch:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = os.environ | {
            "CHANGETRAIL_AWS_PORT": str(port), "CHANGETRAIL_AWS_STATE": scratch,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-2",
            "AWS_DEFAULT_REGION": "eu-west-2",
        }

        def run(command, **options):
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, **options)

        run([ROOT / "localstack" / "start"])
        try:
            url = f"http://127.0.0.1:{port}"
            python = ROOT / "localstack" / ".venv" / "bin" / "python"
            run([python, "-c", PUT, url], input=json.dumps(list(log_files(arguments.objects))), text=True)
            config = pathlib.Path(scratch) / "changetrail.toml"
            config.write_text(
                '[store]\npath = "bucket.duckdb"\n\n[[source]]\nname = "aws"\nconnector = "aws-cloudtrail"\n'
                f'bucket = "trail"\nendpoint_url = "{url}"\n'
            )
            for what in ("all", "nothing new"):
                begin = time.perf_counter()
                run([arguments.bin, "--config", config, "collect"], stderr=sys.stderr)
                seconds = time.perf_counter() - begin
                print(f"{what:12} {seconds:.2f} s, {arguments.objects / seconds:,.0f} objects/s", flush=True)
        finally:
            run([ROOT / "localstack" / "stop"])


if __name__ == "__main__":
    main()
