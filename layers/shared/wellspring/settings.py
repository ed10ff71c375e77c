"""The environment variables that every function reads, checked once. docs/settings.md says the same for people."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Literal, get_args, get_type_hints


class SettingsError(Exception):
    """An environment variable is missing or not of its form; the message names it, never its value."""


# A dataclass and not pydantic: the read functions import no pydantic, and it costs 0.1 s of cold start.
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the database is and how to log in.

    Attributes:
        db_user: `wellspring_reader` or `wellspring_writer`; the migration's is the owner.
        db_auth: `iam` signs a token for each connection; `secret` reads the password for each from `db_secret_arn` (the
            migration); `password` takes `db_password` (a laptop, tests).
        db_secret_arn: of a secret as RDS keeps them, an object with a `password`; only with `secret`.
        db_tls: `verify` demands a certificate that the host name and a known authority vouch for; `off` is for
            an address of this machine.
        db_read_host: where reads may go that say how new they must be (docs/adr/0050); empty for nowhere else. Its
            certificate is `db_host`'s.
        db_ca_file: a PEM file of the authorities to trust instead of Amazon's, to which RDS Proxy's certificates chain.
        db_pipelining: `true` sends what belongs together in one round trip; `false` each statement in one of its own,
            for a proxy that does not carry several before one Sync.
    """

    db_host: str
    db_user: str
    db_port: int = 5432
    db_name: str = "wellspring"
    db_auth: Literal["iam", "secret", "password"] = "iam"
    db_password: str = ""
    db_secret_arn: str = ""
    db_tls: Literal["verify", "off"] = "verify"
    db_read_host: str = ""
    db_ca_file: str = ""
    db_pipelining: Literal["true", "false"] = "true"
    aws_region: str = ""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Build `Settings` from variables of the same names in capitals. Raises `SettingsError` that names all at fault."""
    hints = get_type_hints(Settings)
    values: dict[str, object] = {}
    problems: list[str] = []
    for field in fields(Settings):
        variable = field.name.upper()
        raw = environment.get(variable, "")
        choices = get_args(hints[field.name])
        if not raw:
            problems += [f"{variable} is not set"] if field.default is MISSING else []
        elif choices and raw not in choices:
            problems.append(f"{variable} must be one of {', '.join(choices)}")
        elif hints[field.name] is int and not (raw.isascii() and raw.isdigit()):
            problems.append(f"{variable} must be a whole number")
        else:
            values[field.name] = int(raw) if hints[field.name] is int else raw
    if values.get("db_auth") == "secret" and not values.get("db_secret_arn"):
        problems.append("DB_SECRET_ARN is not set")
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(**values)  # type: ignore[arg-type]  # checked field by field above


@cache
def settings() -> Settings:
    """Return this process's settings, read once. Raises `SettingsError`."""
    return read_settings(os.environ)


def has_reader() -> bool:
    """Say whether reads may go to a reader; for whoever needs no other setting of the database's."""
    return bool(os.environ.get("DB_READ_HOST"))


def event_bus() -> str:
    """Return the bus that events go out to; empty where none do, and nothing is written of them."""
    return os.environ.get("EVENT_BUS", "")


def history_days() -> int:
    """Return for how many days the rows of sync messages are kept. Raises `SettingsError`."""
    return _number("HISTORY_DAYS", 90)


def audit_days() -> int:
    """Return for how many days the rows of who wrote what are kept. Raises `SettingsError`."""
    return _number("AUDIT_DAYS", 365)


def snapshot_end_limit() -> int:
    """Return how much of a type's live records a snapshot may end unasked, in percent. Raises `SettingsError`."""
    # Never more than half (contract, section 5).
    return _number("SNAPSHOT_END_LIMIT", 15, most=50)


def _number(variable: str, default: int, most: int | None = None) -> int:
    raw = os.environ.get(variable, "")
    if not raw:
        return default
    if not (raw.isascii() and raw.isdigit()) or (most is not None and int(raw) > most):
        raise SettingsError(f"{variable} must be a whole number" + (f" up to {most}" if most is not None else ""))
    return int(raw)


# In the place of a value: the token's own `sub`.
THE_SUBJECT = "{sub}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings:
    """What the claims of the deployment's identity provider mean (docs/identity-providers.md).

    Attributes:
        person_claim: names a person, by the uuid of their row of `peoples`.
        service_subjects: each `sub` that is a service whatever else its token says.
        service_claim: claims and their values; a token that has any of them is a service's.
        scope_claims: where a service's scopes are.
        scope_prefix: what stands before each scope of this API; a scope without it is another API's.
        operator_claim: names what a person belongs to; empty where no person is an operator.
        operator_value: of that claim makes a person an operator; empty where none is one.
    """

    person_claim: str = "sub"
    service_subjects: tuple[str, ...] = ()
    service_claim: tuple[tuple[str, str], ...] = (
        ("client_id", THE_SUBJECT),
        ("azp", THE_SUBJECT),
        ("cid", THE_SUBJECT),
        ("gty", "client-credentials"),
        ("idtyp", "app"),
    )
    scope_claims: tuple[str, ...] = ("scope", "scp")
    scope_prefix: str = ""
    operator_claim: str = ""
    operator_value: str = ""


def read_caller_settings(environment: Mapping[str, str]) -> CallerSettings:
    """Build `CallerSettings` from variables of the same names in capitals; lists have commas between.

    A variable that is not there leaves the default; an empty SERVICE_CLAIM lets no claim make a service. Raises
    `SettingsError` where it is no list of `claim=value`.
    """
    values: dict[str, str | tuple[str, ...] | tuple[tuple[str, str], ...]] = {}
    for field in fields(CallerSettings):
        if text := environment.get(field.name.upper()):
            values[field.name] = _several(text) if isinstance(field.default, tuple) else text
    if "SERVICE_CLAIM" in environment:
        pairs = [each.partition("=") for each in _several(environment["SERVICE_CLAIM"])]
        if not all(claim and value for claim, _, value in pairs):
            raise SettingsError("SERVICE_CLAIM must be a list of claim=value")
        values["service_claim"] = tuple((claim, value) for claim, _, value in pairs)
    return CallerSettings(**values)  # type: ignore[arg-type]  # each is of its field's type


def _several(text: str) -> tuple[str, ...]:
    return tuple(part for part in (each.strip() for each in text.split(",")) if part)


@cache
def caller_settings() -> CallerSettings:
    """Return what claims mean in this process, read once. Raises `SettingsError`."""
    return read_caller_settings(os.environ)
