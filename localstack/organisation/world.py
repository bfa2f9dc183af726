"""Who and what there is at Fenmoor Waterways. Every name and number is invented.

`localstack/changetrail.toml` says the same to changetrail: keep the two together.
"""

from dataclasses import dataclass

DEFAULT_DATE = "2026-11-03"
"""The first of the two days. The exemptions in changetrail.toml lie in them."""

HOME = "eu-west-2"
GLOBAL = "us-east-1"

MOORINGS_LIVE = "418302957164"
MOORINGS_PREPROD = "730915482063"
MOORINGS_DEV = "265840719335"
LOCKWATCH_LIVE = "904167238511"
LOCKWATCH_PREPROD = "157729046820"
TIDES_LIVE = "683451920747"
TIDES_PREPROD = "349086157292"
PLATFORM = "572613804498"
"""The hub that pipelines sign in to. It belongs to no service."""
SUPPLIER = "836270415953"
"""A supplier's own account: its trail is not ours to read."""


@dataclass(frozen=True)
class Person:
    mail: str
    login: str
    address: str


MARTA = Person("marta.lindqvist@example.org", "mlindqvist", "203.0.113.21")
WEN = Person("wen.castellan@example.org", "wcastellan", "203.0.113.34")
IDRIS = Person("idris.okoro@example.org", "iokoro", "203.0.113.47")
JOEL = Person("joel.ashdown@example.org", "jashdown", "203.0.113.58")
SAOIRSE = Person("saoirse.quill@example.org", "squill", "203.0.113.66")
BRAM = Person("bram.tolley@example.org", "btolley", "203.0.113.79")
KIT = Person("kit.farrow@example.org", "kfarrow", "203.0.113.92")
"""Seniors are Marta and Wen, the manager is Idris; the others have no role."""

MOORINGS, LOCKWATCH, TIDES = "moorings", "lockwatch", "tide-tables"
MOORINGS_PIPELINE, LOCKWATCH_PIPELINE, TIDES_PIPELINE = "moorings-release", "lockwatch-release", "tide-tables-build"

OIDC = "token.actions.githubusercontent.com"
REPOSITORY = "fenmoor-waterways/"
PERMISSION_SET = "AWSReservedSSO_PlatformOperator_"


@dataclass(frozen=True)
class Role:
    account: str
    name: str
    path: str = "/"

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


DEPLOY_LIVE = Role(MOORINGS_LIVE, "moorings-deploy")
DEPLOY_PREPROD = Role(MOORINGS_PREPROD, "moorings-deploy")
DEPLOY_DEV = Role(MOORINGS_DEV, "moorings-deploy")
HUB = Role(PLATFORM, "pipeline-hub")
LOCKWATCH_DEPLOY = Role(LOCKWATCH_LIVE, "lockwatch-deploy", "/delivery/")
LOCKWATCH_STACK = Role(LOCKWATCH_LIVE, "lockwatch-stack")
TIDES_PUBLISH = Role(TIDES_LIVE, "tide-tables-publish")
TIDES_PREVIEW = Role(TIDES_PREPROD, "tide-tables-publish")
SNAPSHOTS = Role(MOORINGS_LIVE, "night-snapshots", "/service-role/")
INSTANCE = Role(MOORINGS_LIVE, "moorings-app-instance")
SUPPORT = Role(MOORINGS_LIVE, "supplier-support")
AUTOSCALING = Role(MOORINGS_LIVE, "AWSServiceRoleForAutoScaling", "/aws-service-role/autoscaling.amazonaws.com/")
CI_USER = "ci-lockwatch"
