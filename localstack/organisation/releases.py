"""The release log: JSON Lines as in design §9, one line per stage deployment."""

from datetime import datetime, timedelta

from . import world
from .ids import Ids
from .records import stamp
from .world import IDRIS, MARTA, WEN, Person

ENVIRONMENTS = {"dev": "dev", "preprod": "preprod", "staging": "preprod", "preview": "preprod",
                "prod": "live", "production": "live", "publish": "live"}


def approval(approver: Person, when: datetime, comment: str = "ok") -> dict:
    return {"phase": "pre", "decision": "approved", "approver": approver.mail, "decided_at": stamp(when),
            "automated": False, "gated": True, "comment": comment}


class Release:
    """One release of one service; `stage` adds a deployment and returns its id."""

    def __init__(self, log: "Log", service: str, pipeline: str, number: int, run: str):
        self.log, self.service, self.pipeline, self.number, self.run = log, service, pipeline, number, run
        self.commit, self.artifact = log.ids.hex(40), log.ids.sha256()
        self.steps = Ids("steps:" + pipeline).sha256()

    def stage(self, name: str, start: datetime, minutes: int, *, by: Person | None = MARTA,
              approvals: list | None = None, artifact: str | None = None, session_names: list | None = None,
              running_first: bool = False) -> str:
        """`running_first` also writes the line that was there while it ran: the later one replaces it."""
        identifier = f"gh:{self.pipeline}:{self.run}:{name}:1"
        end = start + timedelta(minutes=minutes)
        line = {
            "schema": "changetrail.deployment/1",
            "id": identifier,
            "release_id": f"{self.pipeline}/{self.number}",
            "pipeline": self.pipeline,
            "service": self.service,
            "version": f"{start:%Y}.{start.month}.{self.number}",
            "commit": self.commit,
            "artifact_digest": artifact or self.artifact,
            "steps_digest": self.steps,
            "stage": name,
            "environment": ENVIRONMENTS[name],
            "trigger": "manual" if by else "automatic",
            "requested_by": by.mail if by else None,
            "started_at": stamp(start),
            "finished_at": stamp(end),
            "outcome": "succeeded",
            "approvals": approvals or [],
            "keys": {"run_ids": [self.run], "aws_session_names": session_names or []},
            "bypassed": False,
            "recorded_at": stamp(end + timedelta(minutes=1)),
            "url": f"https://git.example.org/{world.REPOSITORY}{self.service}/actions/runs/{self.run}",
        }
        if running_first:
            self.log.add(line | {"finished_at": None, "outcome": "running",
                                 "recorded_at": stamp(start + timedelta(minutes=1))})
        self.log.add(line)
        return identifier

    def before_live(self, day, dev: str | None, preprod: str | None, name: str = "preprod") -> None:
        """The stages before live, as they ought to be."""
        if dev:
            self.stage("dev", day(dev), 5, by=None)
        if preprod:
            self.stage(name, day(preprod), 10, approvals=[approval(WEN, day(preprod) - timedelta(minutes=3))])


class Log:
    """All lines of the release log, in the order in which they were written."""

    def __init__(self, ids: Ids):
        self.ids, self.lines = ids, []

    def add(self, line: dict) -> None:
        self.lines.append(line)

    def release(self, service: str, pipeline: str, number: int) -> Release:
        return Release(self, service, pipeline, number, self.ids.digits(11))

    def files(self) -> dict[str, list[dict]]:
        """Lines by file name: one for each pipeline, one for the definitions."""
        files: dict[str, list[dict]] = {}
        for line in self.lines:
            definition = line["schema"].startswith("changetrail.pipeline/")
            files.setdefault("pipelines.jsonl" if definition else f"{line['pipeline']}.jsonl", []).append(line)
        return files


def definitions(since: datetime) -> list[dict]:
    """The pipelines' definitions. Lockwatch's administrators can bypass its gate: a weak definition."""

    def stage(name, order, approvers=(), can_bypass=None):
        people = [p.mail for p in approvers]
        return {"name": name, "environment": ENVIRONMENTS[name], "order": order,
                "trigger": "manual" if people else "automatic", "approvals_required": 1 if people else 0,
                "approvers": people, "requester_can_approve": False if people else None, "can_bypass": can_bypass}

    def pipeline(name, service, revision, stages):
        return {"schema": "changetrail.pipeline/1", "pipeline": name, "service": service, "revision": revision,
                "changed_by": IDRIS.mail, "changed_at": stamp(since), "stages": stages}

    return [
        pipeline(world.MOORINGS_PIPELINE, world.MOORINGS, "22", [
            stage("dev", 1), stage("preprod", 2, [WEN]), stage("prod", 3, [IDRIS, WEN], False)]),
        pipeline(world.LOCKWATCH_PIPELINE, world.LOCKWATCH, "9", [
            stage("staging", 1, [WEN]), stage("production", 2, [IDRIS, WEN], True)]),
        pipeline(world.TIDES_PIPELINE, world.TIDES, "5", [
            stage("preview", 1), stage("publish", 2, [IDRIS, WEN], False)]),
    ]
