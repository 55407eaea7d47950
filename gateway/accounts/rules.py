"""Pure decisions about accounts: user names, the password policy, lockout, who may be granted what.

Sources: GB/T 22239-2019 (等保2.0, level 3) 8.1.4.1 a and b for passwords and lockout, 8.1.5.1-3 for the three
administrators. The policy profile is named `djcp`; OWASP ASVS 5.0 V6.2.5/V6.2.10 asks for the opposite (no
composition rules, no rotation), therefore the profile is data that another audience (the public portal) may
replace.
"""

import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.accounts.roles import ADMINISTRATORS, GRANTABLE, ROLES, Track
from services.common.problems import Problem

USERNAME: Final = re.compile(r"[a-z][a-z0-9_.-]{2,63}")
ORG_CODE: Final = re.compile(r"(?P<region>\d{6})-[A-Z]{2,8}")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """A password policy profile. Lengths in characters, ages in days."""

    name: str
    min_length: int
    max_length: int
    min_classes: int
    remembered: int
    max_age_days: int
    one_time_days: int


DJCP: Final = PasswordPolicy(
    name="djcp",
    min_length=12,
    max_length=128,  # argon2 takes more, but a bound keeps a request's cost bounded
    min_classes=3,
    remembered=5,
    max_age_days=90,
    one_time_days=7,
)

# Stems people reach for when a rule asks for "capital, digit, sign"; refused wherever they stand in the
# password.
COMMON_STEMS: Final = (
    "password", "passw0rd", "p@ssword", "p@ssw0rd", "qwerty", "qwer1234", "1qaz2wsx", "admin123", "admin@123",
    "123456", "abcd1234", "abc123", "1q2w3e", "woaini", "5201314", "wangjian", "letmein", "welcome",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lockout:
    """How often a name may fail in a row before it is locked, for how long, and when old failures are
    forgotten.
    """

    failures: int = 5
    lasts: timedelta = timedelta(minutes=30)
    forgotten_after: timedelta = timedelta(hours=12)


LOCKOUT: Final = Lockout()


@dataclass(frozen=True, slots=True)
class Tries:
    """Failed sign-ins in a row for one name."""

    failures: int
    last_at: datetime
    locked_until: datetime | None


def begin_try(tries: Tries, now: datetime, lockout: Lockout = LOCKOUT) -> tuple[Tries, bool]:
    """Count one more try *before* the password is looked at; gives the new count and whether it may be
    looked at.

    Counting first means that any number of parallel tries gets at most `lockout.failures` looks, and that a
    crash in the middle counts as a failure. While a name is locked, further tries change nothing.
    """
    if tries.locked_until is not None and now < tries.locked_until:
        return tries, False
    forget = tries.locked_until is not None or now - tries.last_at > lockout.forgotten_after
    failures = (0 if forget else tries.failures) + 1
    if failures > lockout.failures:
        return Tries(failures, now, now + lockout.lasts), False
    return Tries(failures, now, None), True


def failed_try(tries: Tries, now: datetime, lockout: Lockout = LOCKOUT) -> Tries:
    """The count after the password of a counted try turned out wrong: the fifth locks the name."""
    locked = now + lockout.lasts if tries.failures >= lockout.failures else tries.locked_until
    return Tries(tries.failures, tries.last_at, locked)


def classes_in(password: str) -> int:
    """How many of the four character classes (lower, upper, digit, other) the password uses."""
    return sum(
        (
            any(c.islower() for c in password),
            any(c.isupper() for c in password),
            any(c.isdigit() for c in password),
            any(not c.islower() and not c.isupper() and not c.isdigit() for c in password),
        )
    )


def weaknesses(password: str, username: str, policy: PasswordPolicy = DJCP) -> list[tuple[str, str]]:
    """What is wrong with a new password, as (Chinese, English) sentences; empty when it may be used.

    Reuse of earlier passwords is not seen here: it needs the stored hashes.
    """
    found: list[tuple[str, str]] = []
    if len(password) < policy.min_length:
        found.append((f"至少 {policy.min_length} 个字符", f"use at least {policy.min_length} characters"))
    if len(password) > policy.max_length:
        found.append((f"最多 {policy.max_length} 个字符", f"use at most {policy.max_length} characters"))
    if classes_in(password) < policy.min_classes:
        found.append(
            (
                f"大写字母、小写字母、数字、其他字符中至少包含 {policy.min_classes} 类",
                f"mix at least {policy.min_classes} of: capitals, small letters, digits, other characters",
            )
        )
    lowered = password.casefold()
    if username and username.casefold() in lowered:
        found.append(("不得包含用户名", "do not use the user name in it"))
    if any(stem in lowered for stem in COMMON_STEMS):
        found.append(("包含常见的弱口令片段", "it contains a well-known weak password"))
    if len(set(password)) < 6:
        found.append(("不同的字符太少", "too few different characters"))
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in password):
        found.append(("不得包含控制字符", "control characters are not allowed"))
    return found


def one_time_password() -> str:
    """A random password a person can read out: four times four, no look-alike signs; about 90 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    while True:
        word = "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))
        if not weaknesses(word, ""):
            return word


def password_expired(changed_at: datetime, now: datetime, policy: PasswordPolicy = DJCP) -> bool:
    """True when the password is older than the profile allows (8.1.4.1 a: periodic change)."""
    return now - changed_at > timedelta(days=policy.max_age_days)


def check_username(username: str) -> str:
    """The user name as stored (lower case). Raises Problem when it is not 3-64 of a-z 0-9 _ . - from a
    letter.
    """
    name = username.strip().casefold()
    if not USERNAME.fullmatch(name) or name.strip(string.punctuation) != name:
        raise Problem(
            "user.name_invalid",
            422,
            zh="用户名格式不正确",
            en="the user name is not well formed",
            todo_zh="以小写字母开头，3 至 64 位，可用小写字母、数字、下划线、点和连字符，且不以符号结尾",
            todo_en="start with a small letter, 3 to 64 characters of a-z 0-9 _ . -, not ending in a sign",
        )
    return name


def region_of(org_code: str) -> str:
    """The six-digit region an organisation's code starts with. Raises Problem when the code is not well
    formed.
    """
    match = ORG_CODE.fullmatch(org_code)
    if match is None:
        raise Problem(
            "user.org_invalid",
            422,
            zh=f"机构代码格式不正确：{org_code[:40]}",
            en=f"the organisation's code is not well formed: {org_code[:40]}",
            todo_zh="机构代码形如 360121-SJ（六位行政区划代码加机构类型）",
            todo_en="a code looks like 360121-SJ (six-digit region code and kind of organisation)",
        )
    return match.group("region")


def track_of(roles: frozenset[str]) -> Track | None:
    """The track all these roles share; None for no roles.

    Raises Problem when they may not be held together: two administrators, or an administrator with business
    (三员分立).
    """
    unknown = roles - ROLES.keys()
    if unknown:
        raise Problem(
            "role.unknown",
            422,
            zh=f"没有这样的角色：{'、'.join(sorted(unknown))[:80]}",
            en=f"no such role: {', '.join(sorted(unknown))[:80]}",
            todo_zh="请从角色列表中选择",
            todo_en="choose from the list of roles",
        )
    tracks = {ROLES[code].track for code in roles}
    if len(roles & ADMINISTRATORS) > 1 or len(tracks) > 1:
        raise Problem(
            "role.separation",
            409,
            zh="三员分立：系统、安全、审计三种管理员互斥，且不得兼任业务角色",
            en="separation of duties: one person may be only one of system, security, audit administrator, "
            "and then holds no business role",
            todo_zh="请先收回原有角色，或为另一个人授权",
            todo_en="take back the other role first, or grant this one to another person",
        )
    return next(iter(tracks), None)


def check_grant(*, granter_id: str, user_id: str, roles: frozenset[str]) -> Track | None:
    """Whether the security administrator may give a person exactly these roles; gives their track.

    Raises Problem: roles that exclude each other, a role nobody can be granted, or oneself as the receiver.
    """
    if granter_id == user_id:
        raise Problem(
            "role.self",
            403,
            zh="不得为自己授权",
            en="nobody grants roles to themselves",
            todo_zh="请由另一名安全管理员办理",
            todo_en="ask another security administrator",
        )
    track = track_of(roles)
    if not roles <= GRANTABLE:
        raise Problem(
            "role.not_grantable",
            422,
            zh="该角色只属于本机命令行，不能授予个人",
            en="this role belongs to the local command line and is not granted to people",
            todo_zh="请选择其他角色",
            todo_en="choose another role",
        )
    return track


def check_reset(target_track: str | None) -> None:
    """Whether a system administrator may reset this person's password over the network.

    Resetting another administrator's password would let one person act as two of the three (8.1.5); that is
    left to `wangjian users reset-password` on the machine itself. Raises Problem.
    """
    if target_track == "admin":
        raise Problem(
            "user.reset_admin",
            403,
            zh="不能在网页上重置管理员的口令（三员分立）",
            en="an administrator's password is not reset over the network (separation of duties)",
            todo_zh="请在服务器上运行：wangjian users reset-password 用户名",
            todo_en="on the server run: wangjian users reset-password NAME",
        )
