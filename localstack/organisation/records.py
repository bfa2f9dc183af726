"""CloudTrail records as CloudTrail writes them (eventVersion 1.11)."""

from dataclasses import dataclass
from datetime import datetime

from . import world
from .calls import Call
from .ids import Ids


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Session:
    """Someone who makes calls: the userIdentity, and what goes with it."""

    account: str
    identity: dict
    agent: str
    address: str
    console: bool = False
    service: str | None = None
    """The AWS service that calls on someone's behalf, for example cloudformation.amazonaws.com."""
    key: str | None = None
    arn: str | None = None


def record(ids: Ids, session: Session, when: datetime, call: Call, *, account: str | None = None,
           region: str | None = None, error: tuple[str, str] | None = None, **extra) -> dict:
    """One record. `extra` replaces or adds top-level fields."""
    region = world.GLOBAL if call.everywhere else region or world.HOME
    agent, address = session.agent, session.address
    if session.service:
        agent = address = session.service
    elif call.source == "s3.amazonaws.com":
        agent = f"[{agent}]"
    entry = {
        "eventVersion": "1.11",
        "userIdentity": session.identity,
        "eventTime": stamp(when),
        "eventSource": call.source,
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": address,
        "userAgent": agent,
    }
    if error:
        entry["errorCode"], entry["errorMessage"] = error
    entry["requestParameters"] = call.request
    entry["responseElements"] = None if error else call.response
    if call.more:
        entry["additionalEventData"] = call.more
    entry["requestID"] = ids.uuid()
    entry["eventID"] = ids.uuid()
    entry["readOnly"] = call.read_only
    if call.resources:
        entry["resources"] = call.resources
    entry["eventType"] = "AwsApiCall"
    entry["managementEvent"] = True
    entry["recipientAccountId"] = account or session.account
    entry["eventCategory"] = "Management"
    if not session.service:
        host = call.source if call.everywhere else call.source.replace(".amazonaws", f".{region}.amazonaws")
        entry["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host,
        }
    if session.console:
        entry["sessionCredentialFromConsole"] = "true"
    return entry | extra
