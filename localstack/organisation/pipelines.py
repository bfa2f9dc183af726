"""What the pipelines did: releases in order, releases that broke a rule, and credentials used without a release."""

from dataclasses import replace
from datetime import timedelta

from . import calls, world
from .releases import approval
from .sessions import ACTION, BOTO, CLI, TERRAFORM
from .story import Story
from .world import IDRIS, JOEL, MARTA, MOORINGS, MOORINGS_PIPELINE, WEN

LIVE = world.MOORINGS_LIVE


def in_order(story: Story) -> None:
    """A release in order, through all three stages: one run id, the environment picks the stage."""
    day, sign_ins = story.day, story.sign_ins
    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 61)
    dev = release.stage("dev", day("08:02"), 5, by=None)
    preprod = release.stage("preprod", day("08:30"), 10, approvals=[approval(WEN, day("08:27"))])
    live = release.stage("prod", day("09:30"), 20, approvals=[approval(IDRIS, day("09:20"), "checked with the team")],
                         running_first=True)
    for role, clock, environment, deployment in [(world.DEPLOY_DEV, "08:02", "dev", dev),
                                                 (world.DEPLOY_PREPROD, "08:30", "preprod", preprod),
                                                 (world.DEPLOY_LIVE, "09:31", "live", live)]:
        session = sign_ins.github(role, day(clock + ":20"), MOORINGS, environment, run=release.run)
        cluster = f"moorings-{environment}"
        for second, call in [(":38", calls.register_task(role.account, "moorings-web", 61)),
                             (":55", calls.update_service(role.account, cluster, "moorings-web", 61))]:
            story.linked(session, clock + second, call, "released", MOORINGS_PIPELINE, deployment,
                         "the sign-in names the run")
    boto = replace(session, agent=BOTO)
    story.read(session, "09:33:10", calls.describe_table(LIVE, "moorings-bookings"), "read by a pipeline")
    story.linked(boto, "09:34:02", calls.update_code(LIVE, "moorings-notices", story.ids), "released",
                 MOORINGS_PIPELINE, live, "the same session, another program")
    story.linked(session, "09:35:20", calls.put_role_policy(
        "moorings-task", "read-bookings", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        '"Action":"dynamodb:GetItem","Resource":"*"}]}'), "released", MOORINGS_PIPELINE, live,
        "a permission; recorded in us-east-1")
    story.attempt(session, "09:36:11", calls.update_function_settings(LIVE, "moorings-notices"),
                  ("ResourceConflictException", "The operation cannot be performed at this time. "
                   "An update is in progress for resource"), MOORINGS_PIPELINE, "pipeline", "failed: changed nothing")


def session_name(story: Story) -> None:
    """The sign-in does not name the run, but the session is named after it."""
    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 62)
    release.before_live(story.day, "10:02", "10:20")
    live = release.stage("prod", story.day("11:00"), 15, approvals=[approval(IDRIS, story.day("10:50"))])
    session = story.sign_ins.github(world.DEPLOY_LIVE, story.day("11:01:05"), MOORINGS, "live", name=release.run)
    for clock, call in [("11:02:14", calls.update_table(LIVE, "moorings-bookings")),
                        ("11:03:30", calls.bucket_policy(LIVE, "fenmoor-moorings-documents"))]:
        story.linked(session, clock, call, "released", MOORINGS_PIPELINE, live, "the session is named after the run")


def identity_only(story: Story) -> None:
    """The sign-in was never delivered: the declared role inside one window."""
    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 63)
    release.before_live(story.day, "11:32", "11:45")
    live = release.stage("prod", story.day("12:30"), 15, approvals=[approval(IDRIS, story.day("12:21"))])
    session = story.sign_ins.github(world.DEPLOY_LIVE, story.day("12:31"), MOORINGS, "live", seen=False)
    for clock, call in [("12:32:40", calls.modify_listener(LIVE, "moorings/5d1f0c77a9b3e246/80c4e1d52b7f9a36")),
                        ("12:34:05", calls.put_parameter(LIVE, "/moorings/live/fees", 12))]:
        story.linked(session, clock, call, "released", MOORINGS_PIPELINE, live,
                     "no sign-in seen: the role, inside the window", tier="identity")


def badly_approved(story: Story) -> None:
    """Four releases whose sign-off breaks the standard."""
    day = story.day
    cases = [
        (64, "12:55", "13:05", "13:30", MARTA, [(MARTA, "13:21")], "who asked for it approved it"),
        (65, "13:58", "14:05", "14:30", MARTA, [(IDRIS, "14:41")], "approved after it had started"),
        (66, "14:55", "15:05", "15:30", MARTA, [(JOEL, "15:22")], "the approver has no role"),
        (67, "15:58", "16:05", "16:30", MARTA, [], "nobody approved it"),
    ]
    for number, dev, preprod, live, by, approvals, note in cases:
        release = story.log.release(MOORINGS, MOORINGS_PIPELINE, number)
        release.before_live(day, dev, preprod)
        start = day(live)
        deployment = release.stage("prod", start, 15, by=by, approvals=[approval(p, day(c)) for p, c in approvals])
        signed_in = start + timedelta(seconds=50)
        session = story.sign_ins.github(world.DEPLOY_LIVE, signed_in, MOORINGS, "live", run=release.run)
        story.linked(session, f"{start + timedelta(minutes=2):%H:%M:%S}",
                     calls.update_service(LIVE, "moorings-live", "moorings-web", number), "unapproved",
                     MOORINGS_PIPELINE, deployment, note)


def badly_proven(story: Story) -> None:
    """Approved, but not proven before live; one of them is an exempted emergency."""
    day = story.day
    approved = [approval(IDRIS, day("+08:55"))]

    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 68)
    release.before_live(day, "+08:40", None)
    deployment = release.stage("prod", day("+09:00"), 15, approvals=approved)
    session = story.sign_ins.github(world.DEPLOY_LIVE, day("+09:00:45"), MOORINGS, "live", run=release.run)
    for clock, call in [("+09:02:10", calls.update_service(LIVE, "moorings-live", "moorings-web", 68)),
                        ("+09:03:31", calls.put_alarm("moorings-5xx"))]:
        story.linked(session, clock, call, "nonconforming", MOORINGS_PIPELINE, deployment, "never in pre-production")

    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 69)
    release.before_live(day, "+09:32", "+09:45")
    deployment = release.stage("prod", day("+10:30"), 15, approvals=[approval(IDRIS, day("+10:21"))],
                               artifact=story.ids.sha256())
    session = story.sign_ins.github(world.DEPLOY_LIVE, day("+10:30:45"), MOORINGS, "live", run=release.run)
    story.linked(session, "+10:32:00", calls.update_code(LIVE, "moorings-notices", story.ids), "nonconforming",
                 MOORINGS_PIPELINE, deployment, "live ran another artifact than pre-production")

    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 70)
    release.run = EMERGENCY_RUN
    deployment = release.stage("prod", day("+12:00"), 10, approvals=[approval(IDRIS, day("+11:56"), "incident")])
    session = story.sign_ins.github(world.DEPLOY_LIVE, day("+12:00:30"), MOORINGS, "live", run=release.run)
    story.linked(session, "+12:01:50", calls.update_service(LIVE, "moorings-live", "moorings-web", 70), "exempted",
                 MOORINGS_PIPELINE, deployment, "emergency release: not proven, the exemption names the deployment")

    release = story.log.release(MOORINGS, MOORINGS_PIPELINE, 71)
    release.before_live(day, "+13:02", "+13:15")
    release.stage("prod", day("+14:00"), 6, approvals=[approval(IDRIS, day("+13:52"))])


EMERGENCY_RUN = "41190277563"
"""Fixed, because an exemption in changetrail.toml names its deployment."""


def no_run(story: Story) -> None:
    """The pipeline's credential, and no release that explains it."""
    sign_ins, day = story.sign_ins, story.day

    def unrecorded(session, clock, call, note):
        story.judged(session, clock, call, "unrecorded", MOORINGS_PIPELINE, "pipeline", note)

    session = sign_ins.github(world.DEPLOY_LIVE, day("20:10"), MOORINGS, "live", run=story.ids.digits(11))
    unrecorded(session, "20:11:20", calls.update_service(LIVE, "moorings-live", "moorings-web", 72),
               "the release log does not know the run")
    session = sign_ins.github(world.DEPLOY_LIVE, day("+03:00"), MOORINGS, "live", seen=False)
    unrecorded(session, "+03:02:09", calls.modify_database(LIVE, "moorings-db", 7), "no sign-in, no release")
    session = sign_ins.github(world.DEPLOY_LIVE, day("+15:20"), MOORINGS, "live",
                              subject=f"repo:{world.REPOSITORY}moorings:ref:refs/heads/spike")
    unrecorded(session, "+15:21:44", calls.update_function_settings(LIVE, "moorings-notices", 1024),
               "signed in from a branch that may not deploy")
    session = sign_ins.github(world.DEPLOY_PREPROD, day("17:40"), MOORINGS, "preprod")
    unrecorded(session, "17:41:12", calls.put_parameter(world.MOORINGS_PREPROD, "/moorings/preprod/fees", 8),
               "pre-production, no release running")


def hub_and_stack(story: Story) -> None:
    """Lockwatch signs in to the hub, goes on to the live account, and lets CloudFormation do the work."""
    day, sign_ins, account = story.day, story.sign_ins, world.LOCKWATCH_LIVE
    release = story.log.release(world.LOCKWATCH, world.LOCKWATCH_PIPELINE, 17)
    release.before_live(day, None, "09:00", "staging")
    live = release.stage("production", day("10:00"), 20, approvals=[approval(IDRIS, day("09:48"))])
    hub = sign_ins.github(world.HUB, day("10:01:00"), "lockwatch", "production", run=release.run, agent=ACTION)
    deploy = sign_ins.assume(hub, world.LOCKWATCH_DEPLOY, day("10:01:30"), "lockwatch-production",
                             agent=CLI + "cloudformation.update-stack", region=world.HOME)
    pipeline, note = world.LOCKWATCH_PIPELINE, "CloudFormation, started by the run"
    story.linked(deploy, "10:02:00", calls.update_stack(account, "lockwatch", STACK, world.LOCKWATCH_STACK.arn,
                                                        story.ids), "released", pipeline, live,
                 "a run, by way of the hub account")
    stack = sign_ins.service("cloudformation.amazonaws.com", world.LOCKWATCH_STACK, day("10:02:04"),
                             "AWSCloudFormation", on_behalf=True)
    for clock, call in [("10:02:31", calls.update_code(account, "lockwatch-poller", story.ids)),
                        ("10:03:12", calls.update_table(account, "lockwatch-levels")),
                        ("10:03:55", calls.attach_policy("lockwatch-poller",
                                                         f"arn:aws:iam::{account}:policy/read-levels"))]:
        story.linked(stack, clock, call, "released", pipeline, live, note)


STACK = "6b0a4f10-8c1d-4e57-93f2-1d7c5a9e0b38"


def run_id_tag(story: Story) -> None:
    """An older job: an IAM user of the build server, who takes the role with the run id as a session tag."""
    day, account = story.day, world.LOCKWATCH_LIVE
    release = story.log.release(world.LOCKWATCH, world.LOCKWATCH_PIPELINE, 18)
    release.before_live(day, None, "14:20", "staging")
    live = release.stage("production", day("15:00"), 20, approvals=[approval(IDRIS, day("14:52"))])
    user = story.sign_ins.user(account, world.CI_USER, "198.51.100.7", ACTION)
    session = story.sign_ins.assume(user, world.LOCKWATCH_DEPLOY, day("15:01:10"), "GitHubActions",
                                    tags={"Repository": world.REPOSITORY + "lockwatch", "RunId": release.run},
                                    agent=TERRAFORM.format("linux"))
    story.linked(session, "15:03:05", calls.change_record("Z07213941QK5M", "levels.example.org.", "lb.example.net"),
                 "released", world.LOCKWATCH_PIPELINE, live, "the run id is a session tag")


def static_site(story: Story) -> None:
    """The static site is released by its build pipeline; the role is not declared, the subject is."""
    day = story.day
    release = story.log.release(world.TIDES, world.TIDES_PIPELINE, 204)
    preview = release.stage("preview", day("07:00"), 5, by=None)
    publish = release.stage("publish", day("07:30"), 6, by=WEN, approvals=[approval(IDRIS, day("07:24"))])
    session = story.sign_ins.github(world.TIDES_PREVIEW, day("07:00:40"), "tide-tables", "preview", run=release.run)
    website = {"IndexDocument": {"Suffix": "index.html"}}
    call = calls.bucket_call(world.TIDES_PREPROD, "PutBucketWebsite", "fenmoor-tides-preview",
                             "WebsiteConfiguration", website)
    story.linked(session, "07:01:30", call, "released", world.TIDES_PIPELINE, preview, "static site, preview")
    session = story.sign_ins.github(world.TIDES_PUBLISH, day("07:30:40"), "tide-tables", "publish", run=release.run)
    for clock, call in [("07:31:30", calls.bucket_call(world.TIDES_LIVE, "PutBucketWebsite", "fenmoor-tides",
                                                       "WebsiteConfiguration", website)),
                        ("07:32:48", calls.update_distribution(world.TIDES_LIVE, "E1QXV7RLD0MNT4"))]:
        story.linked(session, clock, call, "released", world.TIDES_PIPELINE, publish, "static site, published")


PARTS = [static_site, in_order, hub_and_stack, session_name, identity_only, badly_approved, run_id_tag, no_run,
         badly_proven]
