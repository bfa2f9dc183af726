#!/usr/bin/env python3
"""How long an audit takes, from files on disk to finished verdicts, beside DuckDB's own JSON reader on the same files.

Measures two things in turn, A B A B …, each in a process and a store of its own:

  A  `changetrail audit` into a fresh store: read, check, store, map, reconcile, control, report
  B  DuckDB's `read_json` over the same files with typed columns, counting the mutations by name; nothing stored or judged

Prints medians, events a second, the ratio and the peak memory. It asserts no limit: a figure belongs to its machine.
The corpus comes from ../shared/bench/corpus.py; without it there is nothing to measure, and the exit code is 2.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT.parent / "shared" / "bench" / "corpus.py"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
# The engine that changetrail links, so that B is the same DuckDB.
DUCKDB = "1.5.5"

# The columns of the summary that are worth a line.
JUDGED = ("changes", "manual", "unrecorded", "unattributed", "platform", "attempts")

# One catch-all scope: every change gets a service, an environment and a verdict.
CONFIG = """\
[store]
path = "every-run-names-its-own.duckdb"

[[source]]
name = "aws"
connector = "aws-cloudtrail"
path = "{corpus}"

[[source]]
name = "release-log"
connector = "release-log"
path = "releases"

[[service]]
name = "register"
type = "deployed"
pipelines = ["register-release"]

[[scope]]
service = "register"
environment = "live"
aws_accounts = {accounts}
"""

READ_JSON = """
import sys, time, duckdb
glob, cores = sys.argv[1], int(sys.argv[2])
begin = time.perf_counter()
connection = duckdb.connect(config={"threads": cores})
connection.execute("set enable_progress_bar = false")
events, groups = connection.execute('''
    with record as (
        select unnest("Records", recursive := true)
        from read_json($glob, maximum_object_size := 1073741824, columns := {
            "Records": 'STRUCT(
                eventVersion VARCHAR, eventID VARCHAR, eventTime VARCHAR, eventSource VARCHAR, eventName VARCHAR,
                eventType VARCHAR, eventCategory VARCHAR, awsRegion VARCHAR, sourceIPAddress VARCHAR,
                userAgent VARCHAR, requestID VARCHAR, errorCode VARCHAR, errorMessage VARCHAR,
                recipientAccountId VARCHAR, sharedEventID VARCHAR, readOnly BOOLEAN, managementEvent BOOLEAN,
                userIdentity JSON, requestParameters JSON, responseElements JSON,
                additionalEventData JSON, resources JSON)[]'})
    ), counted as (
        select "eventName", count(*) as n, count(*) filter (not "readOnly") as mutations
        from record group by "eventName"
    )
    select sum(n)::bigint, count(*) filter (mutations > 0) from counted
''', {"glob": glob}).fetchone()
print(events, groups, time.perf_counter() - begin)
"""


def stop(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def step(message):
    print(message, file=sys.stderr, flush=True)


def accounts():
    """The accounts that the corpus is made from, for the scope."""
    spec = CORPUS.parent.parent / "data" / "invictus"
    found = set()
    for file in spec.rglob("*.json"):
        document = json.loads(file.read_text())
        for record in document.get("Records", []) if isinstance(document, dict) else document:
            found.add(record.get("recipientAccountId"))
    return sorted(account for account in found if account)


def corpus(events):
    """Makes the corpus once; the same arguments give the same files."""
    if not CORPUS.exists():
        stop(f"no corpus: {CORPUS} is absent, and the benchmark measures nothing else")
    folder = TARGET / "bench" / f"corpus-{events}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        step(f"making a corpus of {events:,} events")
        made = subprocess.run([sys.executable, CORPUS, str(events), folder / "trail"], check=True, capture_output=True)
        (folder / "done").write_bytes(made.stdout)
    return folder / "trail", (folder / "done").read_text().strip()


def python_with_duckdb():
    """A virtual environment of its own, so that nothing is installed elsewhere."""
    folder = TARGET / "bench" / f"duckdb-{DUCKDB}"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        step(f"installing DuckDB {DUCKDB} for Python")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"duckdb=={DUCKDB}"], check=True)
        (folder / "done").touch()
    return python


def measure(command, allowed=(0,), **options):
    """Runs a command: seconds, seconds of processor time, peak memory in bytes, standard output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **options)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in allowed:
            sys.stderr.write(err.read().decode(errors="replace"))
            stop(f"exit code {process.returncode} from {' '.join(map(str, command))}")
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return seconds, usage.ru_utime + usage.ru_stime, peak, out.read().decode()


def audit(binary, config, store):
    """One audit into a fresh store; exit code 1 only says that there are findings."""
    common = [binary, "--config", config, "--store", store]
    seconds, processor, peak, _ = measure([*common, "audit"], allowed=(0, 1))
    days = json.loads(measure([*common, "report", "coverage", "-o", "json"])[3])
    summary = json.loads(measure([*common, "report", "summary", "-o", "json"])[3])[0]
    seen = sum(int(day["seen"]) for day in days if day["source"] == "aws")
    return seconds, processor, peak, seen, summary


def version(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def spread(values, unit, scale=1.0, digits=2):
    values = [value / scale for value in values]
    return (
        f"{statistics.median(values):.{digits}f} {unit} "
        f"(min {min(values):.{digits}f}, max {max(values):.{digits}f})"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5, help="of each, interleaved")
    parser.add_argument("--bin", type=pathlib.Path, help="a built changetrail (default: build the release profile)")
    arguments = parser.parse_args()

    trail, made = corpus(arguments.events)
    if arguments.bin:
        binary = arguments.bin.resolve()
    else:
        step("building the release profile")
        subprocess.run(["make", "--silent", "build"], cwd=ROOT, check=True, stdout=sys.stderr)
        binary = TARGET.resolve() / "release" / "changetrail"
    python = python_with_duckdb()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    glob = str(trail / "**" / "*.json.gz")

    print(f"machine      {cores} cores, {processor_name()}, {platform.system()} {platform.release()}")
    print(f"versions     {version([binary, '--version'])}; DuckDB {DUCKDB}; {version(['rustc', '--version'])}")
    print(f"corpus       {made}", flush=True)

    # Both read from the page cache, from the first run on.
    for file in trail.rglob("*.json.gz"):
        file.read_bytes()

    ours, theirs = {"s": [], "cpu": [], "peak": []}, {"s": [], "cpu": [], "peak": []}
    with tempfile.TemporaryDirectory(prefix="changetrail-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "releases").mkdir()
        config = scratch / "changetrail.toml"
        config.write_text(CONFIG.format(corpus=trail.resolve(), accounts=json.dumps(accounts())))
        for run in range(1, arguments.runs + 1):
            store = scratch / f"run-{run}.duckdb"
            *figures, seen, summary = audit(binary, config, store)
            if seen != arguments.events:
                stop(f"the audit saw {seen} of {arguments.events} events: its time means nothing")
            size = store.stat().st_size
            for leftover in scratch.glob(f"{store.name}*"):
                leftover.unlink()
            for name, figure in zip(ours, figures, strict=True):
                ours[name].append(figure)

            _, processor, peak, line = measure([python, "-c", READ_JSON, glob, str(cores)])
            seen, _, seconds = line.split()
            if int(seen) != arguments.events:
                stop(f"read_json saw {seen} of {arguments.events} events: its time means nothing")
            for name, figure in zip(theirs, (float(seconds), processor, peak), strict=True):
                theirs[name].append(figure)
            step(f"run {run}: audit {ours['s'][-1]:.2f} s, read_json {theirs['s'][-1]:.2f} s")

    a, b = statistics.median(ours["s"]), statistics.median(theirs["s"])
    print(f"judged       {', '.join(f'{int(summary[name]):,} {name}' for name in JUDGED if int(summary[name]))}")
    print(f"A audit      {spread(ours['s'], 's')}, {arguments.events / a:,.0f} events/s")
    print(f"  processor  {spread(ours['cpu'], 's')}")
    print(f"  memory     {spread(ours['peak'], 'MB peak', 1e6, 0)}")
    print(f"  store      {size / 1e6:.0f} MB, {size / arguments.events:.0f} bytes an event")
    print(f"B read_json  {spread(theirs['s'], 's')}, {arguments.events / b:,.0f} events/s")
    print(f"  processor  {spread(theirs['cpu'], 's')}")
    print(f"  memory     {spread(theirs['peak'], 'MB peak', 1e6, 0)}")
    print(f"A / B        {a / b:.2f} times as long; medians of {arguments.runs} runs each, in turn")


if __name__ == "__main__":
    main()
