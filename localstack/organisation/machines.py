"""What ran by itself: the provider, a declared automation, and workloads that nobody declared."""

from dataclasses import replace

from . import calls, world
from .records import Session
from .sessions import AGENT, BOTO, CLI, role_identity
from .story import Story

LIVE = world.MOORINGS_LIVE
KEY = "1f4e9b62-07ad-4c35-8e81-5b90d2c7a643"


def the_provider(story: Story) -> None:
    """A service-linked role, a service by itself, and a service event that names no identity type."""
    service = "autoscaling.amazonaws.com"
    session = story.sign_ins.service(service, world.AUTOSCALING, story.day("09:38:00"), "AutoScaling", on_behalf=True)
    story.judged(session, "09:38:04", calls.terminate("i-0f81d5b2c46a7e930"), "platform", "*", "platform",
                 "a service-linked role, while a release runs")
    alarm = "monitoring.amazonaws.com"
    alone = Session(LIVE, {"type": "AWSService", "invokedBy": alarm}, "", "", service=alarm)
    story.judged(alone, "10:40:00", calls.execute_policy("moorings-web", "busy-mornings"), "platform",
                 "*", "platform", "an AWS service by itself")
    unnamed = Session(LIVE, {"accountId": LIVE, "invokedBy": "AWS Internal"}, "", "", service="AWS Internal")
    arn = f"arn:aws:kms:{world.HOME}:{LIVE}:key/{KEY}"
    rotate = calls.Call("kms", "RotateKey", None, None, calls.resource(LIVE, "AWS::KMS::Key", arn))
    story.judged(unnamed, "04:12:30", rotate, "platform", "*", "platform", "a service event without an identity type",
                 eventType="AwsServiceEvent", serviceEventDetails={"keyId": KEY})


def automation(story: Story) -> None:
    """The nightly snapshots are declared; what else their role does is not."""
    session = story.sign_ins.service("lambda.amazonaws.com", world.SNAPSHOTS, story.day("02:00:00"), "night-snapshots",
                                     agent=BOTO, address="198.51.100.88")
    for clock, call in [("02:00:20", calls.create_snapshot("vol-05c7e1a9d3b2f8640", "snap-0d94b7f2e5a81c36b")),
                        ("02:01:05", calls.delete_snapshot("snap-08e3a6c1f5d7b2940"))]:
        story.judged(session, clock, call, "platform", "*", "platform", "a declared automation")
    story.judged(session, "02:01:40", calls.put_parameter(LIVE, "/moorings/live/last-snapshot", 310), "unrecorded",
                 f"{world.SNAPSHOTS.arn};{world.SNAPSHOTS.name}", "workload;platform",
                 "the automation does what it is not declared for")


def undeclared(story: Story) -> None:
    """An instance changes live while a release runs: being there at the time explains nothing."""
    instance = "i-0a6f2c9e83b7d1405"
    session = story.sign_ins.service("ec2.amazonaws.com", world.INSTANCE, story.day("09:10:00"), instance, agent=BOTO,
                                     address="198.51.100.93")
    story.judged(session, "09:41:30", calls.put_parameter(LIVE, "/moorings/live/leader", 77), "unrecorded",
                 f"{world.INSTANCE.arn};{world.INSTANCE.name}", "workload", "undeclared, inside a release's window")
    agent = replace(session, agent=AGENT)
    story.read(agent, "09:15:00", calls.heartbeat(instance), "an agent's heartbeat: readOnly false, no change")
    story.read(agent, "09:20:00", calls.decrypt(LIVE, KEY), "cryptography")
    session = story.sign_ins.sso(world.KIT, LIVE, story.day("10:25"), "cli", "logs.start-query")
    story.read(session, "10:27:00", calls.start_query("/moorings/web", story.ids),
               "a query: readOnly false, no change")


def supplier(story: Story) -> None:
    """A role taken from a supplier's account, whose own trail nobody here can read."""
    caller = Session(world.SUPPLIER, role_identity(world.Role(world.SUPPLIER, "engineer"), "desk-4",
                                                   story.day("+11:00"), None),
                     CLI + "rds.modify-db-instance", "192.0.2.77")
    session = story.sign_ins.assume(caller, world.SUPPORT, story.day("+11:10"), "desk-4", caller_seen=False)
    story.judged(session, "+11:12:26", calls.modify_database(LIVE, "moorings-db", 10), "unattributed", "*", "*",
                 "the caller's own copy was never seen, the role is not declared")


PARTS = [the_provider, automation, undeclared, supplier]
