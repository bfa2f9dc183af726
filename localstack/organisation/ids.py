"""Identifiers that look random and are the same for the same seed."""

import random
import string
import uuid

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ALPHANUMERIC = string.ascii_letters + string.digits


class Ids:
    """One stream of identifiers. The order of the calls is part of the seed."""

    def __init__(self, seed: str):
        self.random = random.Random(seed)

    def pick(self, alphabet: str, length: int) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(length))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def hex(self, length: int) -> str:
        return self.pick("0123456789abcdef", length)

    def digits(self, length: int) -> str:
        return self.pick("123456789", 1) + self.pick(string.digits, length - 1)

    def access_key(self, temporary: bool = True) -> str:
        return ("ASIA" if temporary else "AKIA") + self.pick(BASE32, 16)

    def token(self) -> str:
        """A session token: worthless, but where a real one would stand."""
        return "IQoJb3JpZ2luX2Vj" + self.pick(ALPHANUMERIC, 44)

    def file_suffix(self) -> str:
        return self.pick(ALPHANUMERIC, 16)

    def sha256(self) -> str:
        return "sha256:" + self.hex(64)


def principal(kind: str, name: str) -> str:
    """The unique id of a role (AROA) or a user (AIDA): the same for ever, whatever the date."""
    return kind + Ids("principal:" + name).pick(BASE32, 17)
