"""The words of the security log: what was done or tried, how it ended, and why it was refused."""

from typing import Literal

SecurityAction = Literal[
    "log_in",
    "log_out",
    "refresh_session",
    "end_session",
    "confirm_password",
    "use_link",
    "use_token",
    "access",
    "exceed_limit",
]
"""What was done or tried.

- `log_in`, `log_out`; `refresh_session`: with a refresh token; `end_session`: one of one's own.
- `confirm_password`: the current password was asked for.
- `use_link`: a link that came by mail.
- `use_token`: an access token that is not ours, or was revoked. Not one that has expired: that happens every hour.
- `access`: something that the person may see, but not do; or that their token has no scope for.
- `exceed_limit`: a limit of requests, or of attempts. Those of a minute are one entry.
"""

SecurityOutcome = Literal["done", "refused"]

SecurityReason = Literal[
    "unknown_address",
    "wrong_password",
    "address_not_verified",
    "account_closed",
    "account_locked",
    "deletion_pending",
    "link_not_valid",
    "invalid_token",
    "session_ended",
    "session_expired",
    "token_reused",
    "wrong_mode",
    "insufficient_scope",
    "role_too_low",
    "rate_limited",
]
"""Why it was refused.

Of refresh tokens: `session_ended`: by its user, or by a change of the account; `session_expired`: its time was over;
`token_reused`: it was replaced before; `wrong_mode`: that of a cookie came in a body, or the other way round.
"""
