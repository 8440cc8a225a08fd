"""How often callers may do things."""

from typing import Annotated

from pydantic import AfterValidator, Field

from infra.settings.subject import Subject


def _check(text: str) -> str:
    count, _, seconds = text.partition("/")
    if not (count.isdecimal() and seconds.isdecimal() and int(count) and int(seconds)):
        raise ValueError("is not a limit like 100/60: so many in so many seconds")
    return text


Rate = Annotated[str, AfterValidator(_check)]


class LimitSettings(Subject):
    """Limits as COUNT/SECONDS. So many may come at once; then the time is shared out evenly (limits.md)."""

    user: Rate = Field("100/60", validation_alias="PALIMPSEST_LIMIT_USER", description="Requests of a user")
    anonymous: Rate = Field(
        "100/60",
        validation_alias="PALIMPSEST_LIMIT_ANONYMOUS",
        description="Requests without a user, of a network (an IPv4 address or a /64 of IPv6)",
    )
    log: Rate = Field(
        "600/60", validation_alias="PALIMPSEST_LIMIT_LOG", description="Reads of the audit tree, of a network"
    )
    sign_in: Rate = Field(
        "5/60", validation_alias="PALIMPSEST_LIMIT_SIGN_IN", description="Attempts to log in of a network"
    )
    sign_in_failures: Rate = Field(
        "5/300",
        validation_alias="PALIMPSEST_LIMIT_SIGN_IN_FAILURES",
        description="Failed attempts to log in of a network",
    )
    registration: Rate = Field(
        "10/3600", validation_alias="PALIMPSEST_LIMIT_REGISTRATION", description="Registrations of a network"
    )
    registration_range: Rate = Field(
        "50/3600",
        validation_alias="PALIMPSEST_LIMIT_REGISTRATION_RANGE",
        description="Registrations of an address range (a /24 of IPv4 or a /48 of IPv6)",
    )
    account_mail: Rate = Field(
        "10/3600",
        validation_alias="PALIMPSEST_LIMIT_ACCOUNT_MAIL",
        description="Requests of a network for mails with a link",
    )
    invitation: Rate = Field(
        "50/3600", validation_alias="PALIMPSEST_LIMIT_INVITATION", description="Addresses that a user invites to teams"
    )
    request: Rate = Field(
        "20/3600",
        validation_alias="PALIMPSEST_LIMIT_REQUEST",
        description="Requests of a user for access to documents and teams",
    )
    domain_check: Rate = Field(
        "30/3600",
        validation_alias="PALIMPSEST_LIMIT_DOMAIN_CHECK",
        description="Requests of a user to look for the record of a domain",
    )
    generation: Rate = Field(
        "10/60", validation_alias="PALIMPSEST_LIMIT_GENERATION", description="Requests of a user for generated texts"
    )
    audit: Rate = Field(
        "60/60", validation_alias="PALIMPSEST_LIMIT_AUDIT", description="Reads of history of an auditor"
    )
    challenge_cost: int = Field(
        5_000,
        ge=1,
        le=1_000_000,
        validation_alias="PALIMPSEST_CHALLENGE_COST",
        description="Work for a challenge: iterations of PBKDF2, which a client repeats 256 times on average",
    )
    scale: int = Field(
        1,
        ge=1,
        le=1_000_000,
        validation_alias="PALIMPSEST_LIMIT_SCALE",
        description="Multiplies the counts of all limits, for tests under load",
    )
