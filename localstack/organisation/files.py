"""Writing the story down: trail, release log, truth and configuration."""

import csv
import gzip
import json
import random
import shutil
import zlib
from datetime import date, datetime, timedelta
from pathlib import Path

from . import world
from .ids import Ids
from .story import Delivery, Story

HERE = Path(__file__).resolve().parent.parent


def compact(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def key(account: str, region: str, minute: datetime, suffix: str, ending: str) -> str:
    """The path of a log file in a trail bucket; its day and minute are those of the delivery."""
    return (f"AWSLogs/{account}/CloudTrail/{region}/{minute:%Y/%m/%d}/"
            f"{account}_CloudTrail_{region}_{minute:%Y%m%dT%H%MZ}_{suffix}{ending}")


def delivered(delivery: Delivery, random: random.Random) -> datetime:
    """About five minutes after the event, on a multiple of five."""
    when = datetime.strptime(delivery.record["eventTime"], "%Y-%m-%dT%H:%M:%SZ") + delivery.late
    when += timedelta(seconds=random.randrange(120, 480))
    return when - timedelta(minutes=when.minute % 5, seconds=when.second) + timedelta(minutes=5)


def trail(story: Story, plain: bool) -> dict[str, bytes]:
    """All log files, by path. Plain ones hold a day each, are in order and whole."""
    ids, files = Ids(f"files:{story.date}"), {}
    groups: dict[tuple, list[dict]] = {}
    cut: list[Delivery] = []
    for delivery in story.deliveries:
        entry = delivery.record
        place = (entry["recipientAccountId"], entry["awsRegion"])
        if delivery.cut and not plain:
            cut.append(delivery)
            continue
        if delivery.cut == "lost":
            continue
        minute = delivered(delivery, ids.random)
        for again in range(1 + delivery.twice):
            late = minute + timedelta(minutes=5 * again)
            late = late.replace(hour=23, minute=59 if not again else 58) if plain else late
            groups.setdefault(place + (late,), []).append(entry)
    for (account, region, minute), entries in sorted(groups.items(), key=lambda group: group[0]):
        if plain:
            entries.sort(key=lambda entry: entry["eventTime"])
            text = '{"Records":[\n' + ",\n".join(map(compact, entries)) + "\n]}\n"
            files[key(account, region, minute, ids.file_suffix(), ".json")] = text.encode()
        else:
            ids.random.shuffle(entries)
            data = gzip.compress(compact({"Records": entries}).encode(), mtime=0)
            files[key(account, region, minute, ids.file_suffix(), ".json.gz")] = data
    if cut:
        first = cut[0].record
        minute = delivered(cut[0], ids.random)
        path = key(first["recipientAccountId"], first["awsRegion"], minute, ids.file_suffix(), ".json.gz")
        files[path] = cut_short([d.record for d in cut if d.cut == "whole"], cut[-1].record)
    return files


def cut_short(whole: list[dict], lost: dict) -> bytes:
    """A log file that ends in the middle of its last record. The flush makes the bytes before it readable."""
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(('{"Records":[' + "".join(compact(entry) + "," for entry in whole)).encode())
    data += packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress((compact(lost) + "]}").encode()) + packer.flush()
    return data + rest[:len(rest) // 2]


def release_log(story: Story) -> dict[str, bytes]:
    return {name: "".join(compact(line) + "\n" for line in lines).encode()
            for name, lines in sorted(story.log.files().items())}


def configuration(on: date) -> bytes:
    """localstack/changetrail.toml for files that lie beside it, with the exemptions on the story's days."""
    text = (HERE / "changetrail.toml").read_text(encoding="utf-8")
    text = text[text.index("[store]"):]
    start = date.fromisoformat(world.DEFAULT_DATE)
    for days in (1, 0) if on > start else (0, 1):
        text = text.replace(str(start + timedelta(days)), str(on + timedelta(days)))
    text = text.replace('path = ".state/changetrail.duckdb"', 'path = "changetrail.duckdb"')
    text = text.replace('path = ".state/', 'path = "')
    head = ("# Fenmoor Waterways: an organisation that does not exist, with every kind of change in its trail.\n"
            "# Every name, number and key in it is invented. Do not edit: written by\n"
            "#   localstack/seed --offline --plain --out src/cli/demo/sample\n\n")
    return (head + text).encode()


def truth(story: Story, plain: bool) -> tuple[list[str], list[list[str]]]:
    """One line for each record of the trail."""
    columns = ["record_id", "verdict", "actor", "actor_kind", "deployment_id", "link_tier", "note"]
    rows = [[getattr(line, column) for column in columns] for line in story.truth
            if not (plain and line.verdict == "cut-off")]
    return columns, rows


def write(story: Story, out: Path, *, plain: bool, config: bool) -> dict[str, bytes]:
    """Writes everything into `out`, in place of what an earlier run left there. Returns the trail."""
    log_files = trail(story, plain)
    for folder, files in (("trail", log_files), ("releases", release_log(story))):
        shutil.rmtree(out / folder, ignore_errors=True)
        for path, data in files.items():
            target = out / folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    columns, rows = truth(story, plain)
    with (out / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    if config:
        (out / "changetrail.toml").write_bytes(configuration(story.date))
    return log_files
