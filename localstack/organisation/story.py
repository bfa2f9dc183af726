"""Two days at Fenmoor Waterways: what was done, and the verdict that each change deserves.

Each part of the day is a function. What it writes down with `judged` is the truth that
`truth.csv` states and that the tests hold changetrail to.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from .ids import Ids
from .records import Session, record
from .releases import Log, definitions
from .sessions import SignIns


@dataclass
class Truth:
    """What changetrail should say about one record. `*` accepts anything, `;` separates accepted spellings."""

    record_id: str
    verdict: str
    actor: str = ""
    actor_kind: str = ""
    deployment_id: str = ""
    link_tier: str = ""
    note: str = ""


@dataclass
class Delivery:
    """A record on its way to the trail bucket."""

    record: dict
    late: timedelta = timedelta()
    twice: bool = False
    cut: str = ""
    """Goes into the file that is cut short: `whole` before the cut, `lost` at it."""


@dataclass
class Story:
    date: date
    deliveries: list[Delivery] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)

    def __post_init__(self):
        self.ids = Ids(f"fenmoor:{self.date}")
        self.sign_ins = SignIns(self.ids, self.nothing)
        self.log = Log(self.ids)

    def day(self, clock: str) -> datetime:
        """`09:30` or `09:30:15` on the first day, `+09:30` on the second."""
        parts = [int(p) for p in clock.removeprefix("+").split(":")]
        start = datetime(self.date.year, self.date.month, self.date.day) + timedelta(days=clock.startswith("+"))
        return start + timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2] if len(parts) > 2 else 0)

    def nothing(self, entry: dict, note: str) -> None:
        """A record that tells of no change."""
        self.deliveries.append(Delivery(entry))
        self.truth.append(Truth(entry["eventID"], "no-change", note=note))

    def read(self, session: Session, clock: str, call, note: str = "read", **extra) -> None:
        self.nothing(record(self.ids, session, self.day(clock), call, **extra), note)

    def judged(self, session: Session, clock: str, call, verdict: str, actor: str, kind: str, note: str, *,
               deployment: str = "", tier: str = "", delivery: dict | None = None, **extra) -> dict:
        """A change, and its verdict."""
        entry = record(self.ids, session, self.day(clock), call, **extra)
        self.deliveries.append(Delivery(entry, **(delivery or {})))
        self.truth.append(Truth(entry["eventID"], verdict, actor, kind, deployment, tier, note))
        return entry

    def manual(self, session: Session, clock: str, call, person, note: str, **extra) -> dict:
        return self.judged(session, clock, call, "manual", person.mail, "person", note, **extra)

    def linked(self, session: Session, clock: str, call, verdict: str, pipeline: str, deployment: str, note: str,
               tier: str = "exact", **extra) -> dict:
        return self.judged(session, clock, call, verdict, pipeline, "pipeline", note, deployment=deployment,
                           tier=tier, **extra)

    def cut_off(self, session: Session, clock: str, call) -> None:
        """A change whose record is lost, because its file is cut short."""
        entry = record(self.ids, session, self.day(clock), call)
        self.deliveries.append(Delivery(entry, cut="lost"))
        self.truth.append(Truth(entry["eventID"], "cut-off", note="in the file that is cut short: one quarantine row"))

    def attempt(self, session: Session, clock: str, call, error: tuple[str, str], actor: str, kind: str,
                note: str) -> dict:
        return self.judged(session, clock, call, "attempt", actor, kind, note, error=error)


def tell(on: date) -> Story:
    """The whole story, the same for the same date."""
    from . import machines, people, pipelines

    story = Story(on)
    for line in definitions(story.day("06:00") - timedelta(days=40)):
        story.log.add(line)
    for part in pipelines.PARTS + people.PARTS + machines.PARTS:
        part(story)
    return story
