"""What people did by hand: in the console, with tools, as the pipeline, as root, and under an exemption."""

from dataclasses import replace

from . import calls, world
from .pipelines import STACK
from .records import Session
from .sessions import CLI, role_identity
from .story import Story
from .world import BRAM, IDRIS, JOEL, KIT, MARTA, SAOIRSE, WEN

LIVE = world.MOORINGS_LIVE
GROUP = "sg-0c3be81f67d29a405"


def in_the_console(story: Story) -> None:
    session = story.sign_ins.sso(JOEL, LIVE, story.day("08:40"), "console")
    story.sign_ins.console_login(session, story.day("08:40:02"))
    story.read(session, "08:44:30", calls.describe_table(LIVE, "moorings-bookings"), "read in the console")
    note = "a person in the web console"
    story.manual(session, "08:47:12", calls.open_port(LIVE, GROUP, 5432, "203.0.113.58/32"), JOEL, note)
    internal = replace(session, agent="AWS Internal", address="AWS Internal")
    story.manual(internal, "08:52:40", calls.modify_database(LIVE, "moorings-db"), JOEL,
                 "only the console flag shows that it was the console", delivery={"twice": True})


def with_tools(story: Story) -> None:
    """The command line while a release runs, and Terraform on a laptop."""
    session = story.sign_ins.sso(KIT, LIVE, story.day("09:37"), "cli", "ssm.put-parameter")
    story.read(session, "09:38:20", calls.list_buckets(), "read with the command line")
    story.manual(session, "09:40:05", calls.put_parameter(LIVE, "/moorings/live/banner", 31), KIT,
                 "the command line, while a release runs: still manual")
    story.attempt(session, "09:42:18", calls.attach_policy("moorings-task",
                                                           "arn:aws:iam::aws:policy/AdministratorAccess"),
                  ("AccessDenied", f"User: {session.arn} is not authorized to perform: iam:AttachRolePolicy"),
                  KIT.mail, "person", "refused: changed nothing")
    session = story.sign_ins.sso(SAOIRSE, LIVE, story.day("19:05"), "terraform")
    for clock, call in [("19:07:10", calls.update_table(LIVE, "moorings-waiting-list")),
                        ("19:07:44", calls.bucket_policy(LIVE, "fenmoor-moorings-documents")),
                        ("19:08:02", calls.attach_policy("moorings-task", f"arn:aws:iam::{LIVE}:policy/waiting-list"))]:
        story.manual(session, clock, call, SAOIRSE, "Terraform on a laptop")


def as_the_pipeline(story: Story) -> None:
    """A person takes the pipeline's role while a release runs; and a session that only claims a person's name."""
    mine = story.sign_ins.sso(MARTA, LIVE, story.day("11:04"), "cli", "sts.assume-role")
    session = story.sign_ins.assume(mine, world.DEPLOY_LIVE, story.day("11:05"), "botocore-session-1762167900",
                                    agent=CLI + "ecs.update-service")
    for clock, call in [("11:06:30", calls.update_service(LIVE, "moorings-live", "moorings-web", 60)),
                        ("11:07:55", calls.put_parameter(LIVE, "/moorings/live/banner", 32))]:
        story.manual(session, clock, call, MARTA, "a person behind the pipeline's role")
    identity = role_identity(world.DEPLOY_LIVE, KIT.login, story.day("+04:30"), story.ids.access_key())
    claimed = Session(LIVE, identity, CLI + "ssm.put-parameter", "198.51.100.144")
    story.judged(claimed, "+04:31:17", calls.put_parameter(LIVE, "/moorings/live/banner", 33), "unattributed", "*", "*",
                 "the pipeline's role with a person's name that anyone could have chosen")


def stack_by_hand(story: Story) -> None:
    """The pipeline's stack and service role, but a person pressed the button."""
    account, note = world.LOCKWATCH_LIVE, "CloudFormation, started by a person"
    session = story.sign_ins.sso(WEN, account, story.day("17:56"), "console")
    story.manual(session, "18:00:00", calls.update_stack(account, "lockwatch", STACK, world.LOCKWATCH_STACK.arn,
                                                         story.ids), WEN, "a stack updated in the console")
    stack = story.sign_ins.service("cloudformation.amazonaws.com", world.LOCKWATCH_STACK, story.day("18:00:03"),
                                   "AWSCloudFormation", on_behalf=True)
    for clock, call in [("18:00:25", calls.update_code(account, "lockwatch-poller", story.ids)),
                        ("18:01:07", calls.update_function_settings(account, "lockwatch-poller", 256))]:
        story.manual(stack, clock, call, WEN, note)


def users_and_root(story: Story) -> None:
    """Root, an IAM user whom the roster knows, and one whom nobody knows."""
    root = story.sign_ins.root(LIVE, story.day("+07:10"), "203.0.113.47")
    story.judged(root, "+07:14:20", calls.create_access_key("break-glass", story.ids, story.day("+07:14:20")),
                 "manual", "*", "person", "the root user is a person")
    bram = story.sign_ins.user(LIVE, BRAM.login, BRAM.address, CLI + "ec2.reboot-instances")
    story.manual(bram, "06:45:00", calls.reboot("i-0a6f2c9e83b7d1405"), BRAM, "an IAM user whom the roster knows")
    story.manual(bram, "06:48:10", calls.put_parameter(LIVE, "/moorings/live/maintenance", 2), BRAM,
                 "the file is cut short after this record", delivery={"cut": "whole"})
    story.cut_off(bram, "06:49:10", calls.put_parameter(LIVE, "/moorings/live/maintenance", 3))
    unknown = story.sign_ins.user(LIVE, "svc-import", "198.51.100.201", "Boto3/1.26.90 Python/3.8.16 Botocore/1.29.90")
    story.judged(unknown, "21:20:33", calls.update_table(LIVE, "moorings-bookings"), "unattributed",
                 "svc-import;" + unknown.arn, "unknown", "an IAM user whom neither roster nor pipeline knows")


def other_environments(story: Story) -> None:
    """By hand in dev, in pre-production, on the static site, and in an account that belongs to no service."""
    for person, account, clock, then, how, call, note in [
        (SAOIRSE, world.MOORINGS_DEV, "13:10", "13:12:40", "console",
         calls.update_function_settings(world.MOORINGS_DEV, "moorings-notices"), "by hand in dev"),
        (KIT, world.MOORINGS_PREPROD, "14:48", "14:50:10", "cli",
         calls.update_table(world.MOORINGS_PREPROD, "moorings-bookings"), "by hand in pre-production"),
        (WEN, world.TIDES_LIVE, "16:02", "16:05:45", "cli",
         calls.update_distribution(world.TIDES_LIVE, "E1QXV7RLD0MNT4"), "the static site, published from a laptop"),
        (IDRIS, world.PLATFORM, "+08:20", "+08:24:05", "console",
         calls.put_role_policy("pipeline-hub", "assume", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
                               '"Action":"sts:AssumeRole","Resource":"*"}]}'), "an account that belongs to no service"),
    ]:
        session = story.sign_ins.sso(person, account, story.day(clock), how, "dynamodb.update-table")
        story.manual(session, then, call, person, note)


def across_accounts(story: Story) -> None:
    """From the hub account to a bucket of the live account: two records, one change, in the owner's account."""
    session = story.sign_ins.sso(IDRIS, world.PLATFORM, story.day("16:50"), "cli", "s3api.put-bucket-lifecycle")
    rule = {"Rule": {"ID": "expire", "Status": "Enabled", "Prefix": "old/", "Expiration": {"Days": 30}}}
    call = calls.bucket_call(LIVE, "PutBucketLifecycle", "fenmoor-moorings-documents", "LifecycleConfiguration", rule)
    shared = story.ids.uuid()
    story.read(session, "16:54:20", call, "the caller's copy of a change in another account", sharedEventID=shared)
    foreign = Session(session.account, story.sign_ins.foreign(session), session.agent, session.address)
    story.manual(foreign, "16:54:20", call, IDRIS, "the owner's copy: who it was stands in the caller's copy",
                 account=LIVE, sharedEventID=shared)


def incident(story: Story) -> None:
    """Under an exemption; the same person after it has ended."""
    session = story.sign_ins.sso(SAOIRSE, LIVE, story.day("22:04"), "console")
    story.sign_ins.console_login(session, story.day("22:04:02"))
    for clock, call in [("22:10:15", calls.set_desired("moorings-web", 6)),
                        ("22:26:40", calls.modify_listener(LIVE, "moorings/5d1f0c77a9b3e246/80c4e1d52b7f9a36"))]:
        story.judged(session, clock, call, "exempted", SAOIRSE.mail, "person", "an exemption is in force")
    story.manual(session, "+00:20:05", calls.set_desired("moorings-web", 3), SAOIRSE, "the exemption had ended",
                 delivery={"late": story.day("+09:00") - story.day("00:00")})


PARTS = [in_the_console, with_tools, as_the_pipeline, stack_by_hand, users_and_root, other_environments,
         across_accounts, incident]
