"""Sign-ins: the records that they leave in the trail, and the identities that they give.

What ties them together is the access key id: the one that the STS record issued
stands in every later record of the session, whose creationDate is the STS record's time.
"""

from datetime import datetime, timedelta

from . import world
from .calls import Call, resource, spoken
from .ids import Ids, principal
from .records import Session, record, stamp
from .world import Person, Role

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
CLI = ("aws-cli/2.31.20 md/awscrt#0.28.2 ua/2.1 os/linux#6.14.0 md/arch#x86_64 lang/python#3.13.7 "
       "md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#")
TERRAFORM = ("APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.18.0 "
             "aws-sdk-go-v2/1.39.4 ua/2.1 os/{} lang/go#1.24.6 md/GOARCH#amd64")
ACTION = ("aws-sdk-js/3.901.0 ua/2.1 os/linux#6.11.0-1018-azure lang/js md/nodejs#20.19.5 api/sts#3.901.0 m/E "
          "configure-aws-credentials-for-github-actions")
RUN = " md/action#__aws-actions_configure-aws-credentials md/run_id#{} md/attempt#1"
BOTO = "Boto3/1.40.55 md/Botocore#1.40.55 ua/2.1 os/linux#6.1.153 lang/python#3.13.5 exec-env/AWS_Lambda_python3.13"
AGENT = "aws-sdk-go/1.55.7 (go1.23.12; linux; amd64) amazon-ssm-agent/3.3.3050.0"


def credentials(ids: Ids, role: Role, name: str, when: datetime, hours: int) -> tuple[str, dict]:
    """What STS answers: a new access key id, and the response elements."""
    key = ids.access_key()
    expiration = spoken(when + timedelta(hours=hours))
    return key, {
        "credentials": {"accessKeyId": key, "sessionToken": ids.token(), "expiration": expiration},
        "assumedRoleUser": {"assumedRoleId": f"{principal('AROA', role.arn)}:{name}",
                            "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}"},
    }


def role_identity(role: Role, name: str, when: datetime, key: str | None, *, mfa: bool = False,
                  federation: dict | None = None, invoked_by: str | None = None) -> dict:
    """userIdentity of a role session that began at `when`."""
    unique = principal("AROA", role.arn)
    identity = {
        "type": "AssumedRole",
        "principalId": f"{unique}:{name}",
        "arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        "accountId": role.account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": unique, "arn": role.arn,
                              "accountId": role.account, "userName": role.name},
            "attributes": {"creationDate": stamp(when), "mfaAuthenticated": "true" if mfa else "false"},
        },
    }
    if federation:
        identity["sessionContext"]["webIdFederationData"] = federation
    if invoked_by:
        identity["invokedBy"] = invoked_by
    return identity


class SignIns:
    """Makes sessions; `emit` takes the records that the sign-ins leave."""

    def __init__(self, ids: Ids, emit):
        self.ids, self.emit = ids, emit

    def github(self, role: Role, when: datetime, repository: str, environment: str, *, run: str | None = None,
               name: str = "GitHubActions", subject: str | None = None, agent: str = "", seen: bool = True) -> Session:
        """A workflow run signs in with its OIDC token. `run` goes into the user agent of the sign-in."""
        subject = subject or f"repo:{world.REPOSITORY}{repository}:environment:{environment}"
        provider = f"arn:aws:iam::{role.account}:oidc-provider/{world.OIDC}"
        key, response = credentials(self.ids, role, name, when, 1)
        address = f"198.51.100.{self.ids.random.randrange(10, 250)}"
        if seen:
            caller = Session(role.account, {
                "type": "WebIdentityUser",
                "principalId": f"{provider}:sts.amazonaws.com:{subject}",
                "userName": subject,
                "identityProvider": provider,
            }, ACTION + (RUN.format(run) if run else ""), address)
            call = Call("sts", "AssumeRoleWithWebIdentity",
                        {"roleArn": role.arn, "roleSessionName": name, "durationSeconds": 3600},
                        {"subjectFromWebIdentityToken": subject, **response, "provider": provider,
                         "audience": "sts.amazonaws.com"},
                        resource(role.account, "AWS::IAM::Role", role.arn), read_only=True)
            self.emit(record(self.ids, caller, when, call), "sign-in of a workflow run")
        federation = {"federatedProvider": provider, "attributes": {}}
        identity = role_identity(role, name, when, key, federation=federation)
        return Session(role.account, identity, agent or TERRAFORM.format("linux"), address, key=key,
                       arn=identity["arn"])

    def sso(self, person: Person, account: str, when: datetime, how: str, command: str = "") -> Session:
        """A person behind IAM Identity Center: `how` is console, cli or terraform."""
        suffix = Ids("sso:" + account).hex(16)
        role = Role(account, world.PERMISSION_SET + suffix, f"/aws-reserved/sso.amazonaws.com/{world.HOME}/")
        name = person.login if how == "console" else person.mail
        key, response = credentials(self.ids, role, name, when, 8)
        caller = Session(account, {
            "type": "SAMLUser",
            "principalId": f"{self.ids.pick('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef', 27)}=:{name}",
            "userName": name,
            "identityProvider": f"{self.ids.pick('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef', 27)}=",
        }, "aws-internal/3", "sso.amazonaws.com", service="sso.amazonaws.com")
        call = Call("sts", "AssumeRoleWithSAML",
                    {"roleArn": role.arn, "roleSessionName": name, "durationSeconds": 28800,
                     "principalArn": f"arn:aws:iam::{account}:saml-provider/AWSSSO_{suffix}_DO_NOT_DELETE",
                     "sAMLAssertionID": f"_{self.ids.uuid()}"},
                    {"subjectType": "persistent", "subject": name, "audience": "https://signin.aws.amazon.com/saml",
                     **response}, resource(account, "AWS::IAM::Role", role.arn), read_only=True)
        self.emit(record(self.ids, caller, when, call), "sign-in of a person")
        agent = {"console": BROWSER, "cli": CLI + command, "terraform": TERRAFORM.format("macos")}[how]
        identity = role_identity(role, name, when, key)
        return Session(account, identity, agent, person.address, console=how == "console", key=key,
                       arn=identity["arn"])

    def console_login(self, session: Session, when: datetime) -> None:
        """The console's own sign-in record: readOnly false, and yet no change."""
        identity = {k: v for k, v in session.identity.items() if k != "accessKeyId"}
        caller = Session(session.account, identity, BROWSER, session.address)
        call = Call("signin", "ConsoleLogin", None, {"ConsoleLogin": "Success"}, everywhere=True,
                    more={"MobileVersion": "No", "MFAUsed": "Yes" if identity["type"] == "Root" else "No"})
        self.emit(record(self.ids, caller, when, call, eventType="AwsConsoleSignIn"), "sign-in to the console")

    def assume(self, caller: Session, role: Role, when: datetime, name: str, *, tags: dict | None = None,
               agent: str = "", region: str = world.GLOBAL, caller_seen: bool = True) -> Session:
        """AssumeRole. Into another account it is recorded twice: in the caller's trail, with who called,
        and in the role's, which only says from which account."""
        key, response = credentials(self.ids, role, name, when, 1)
        request = {"roleArn": role.arn, "roleSessionName": name, "durationSeconds": 3600}
        if tags:
            request["tags"] = [{"key": k, "value": v} for k, v in tags.items()]
        call = Call("sts", "AssumeRole", request, response, resource(role.account, "AWS::IAM::Role", role.arn),
                    read_only=True)
        if caller.account == role.account:
            self.emit(record(self.ids, caller, when, call, region=region), "one role taken from another")
        else:
            shared = self.ids.uuid()
            if caller_seen:
                self.emit(record(self.ids, caller, when, call, region=region, sharedEventID=shared),
                          "role taken in another account: the caller's copy")
            foreign = Session(caller.account, self.foreign(caller), caller.agent, caller.address)
            self.emit(record(self.ids, foreign, when, call, account=role.account, region=region,
                             sharedEventID=shared), "role taken in another account: the role's copy")
        identity = role_identity(role, name, when, key)
        return Session(role.account, identity, agent or caller.agent, caller.address, key=key, arn=identity["arn"])

    @staticmethod
    def foreign(caller: Session) -> dict:
        """A caller from another account, as the account that is called sees it."""
        return {"type": "AWSAccount", "principalId": caller.identity["principalId"], "accountId": caller.account}

    def service(self, service: str, role: Role, when: datetime, name: str, agent: str = "", address: str = "",
                on_behalf: bool = False) -> Session:
        """An AWS service takes a role: for an instance or a function, or to act with it itself (`on_behalf`)."""
        key, response = credentials(self.ids, role, name, when, 1)
        caller = Session(role.account, {"type": "AWSService", "invokedBy": service}, service, service, service=service)
        call = Call("sts", "AssumeRole", {"roleArn": role.arn, "roleSessionName": name, "durationSeconds": 3600},
                    response, resource(role.account, "AWS::IAM::Role", role.arn), read_only=True)
        self.emit(record(self.ids, caller, when, call), "role taken by an AWS service")
        identity = role_identity(role, name, when, key, invoked_by=service if on_behalf else None)
        return Session(role.account, identity, agent, address, service=service if on_behalf else None, key=key,
                       arn=identity["arn"])

    def user(self, account: str, name: str, address: str, agent: str) -> Session:
        """An IAM user with a key of its own: no sign-in to see."""
        arn = f"arn:aws:iam::{account}:user/{name}"
        key = Ids("key:" + arn).access_key(temporary=False)
        return Session(account, {"type": "IAMUser", "principalId": principal("AIDA", arn), "arn": arn,
                                 "accountId": account, "accessKeyId": key, "userName": name},
                       agent, address, key=key, arn=arn)

    def root(self, account: str, when: datetime, address: str) -> Session:
        """The account's root user, in the console."""
        key = self.ids.access_key()
        arn = f"arn:aws:iam::{account}:root"
        session = Session(account, {
            "type": "Root", "principalId": account, "arn": arn, "accountId": account, "accessKeyId": key,
            "sessionContext": {"attributes": {"creationDate": stamp(when), "mfaAuthenticated": "true"}},
        }, BROWSER, address, console=True, key=key, arn=arn)
        login = Session(account, {"type": "Root", "principalId": account, "arn": arn, "accountId": account},
                        BROWSER, address)
        self.console_login(login, when)
        return session
