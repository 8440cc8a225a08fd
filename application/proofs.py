"""Proofs: commands by which people prove who they are (`Command.proves`), as the security log shows how they end."""

from dataclasses import dataclass
from typing import Any, cast, get_args
from uuid import UUID

from application.commands import Command
from application.ports import CommandContext, SecurityEntry
from application.security_actions import SecurityReason
from domain.kernel import Refusal

REASONS = frozenset(get_args(SecurityReason))
"""Codes of refusals that are of interest to the log. Others are of rules that have nothing to do with the proof."""


@dataclass(slots=True)
class Proof:
    """What a handler has found out about the sender, whatever comes of the command.

    `user_id`: the account whose password they know; None: that of none.
    """

    user_id: UUID | None = None


def accepted(command: Command[Any], context: CommandContext, proved_id: UUID | None) -> SecurityEntry | None:
    """Return the entry of a command whose sender has proved something; None: it proves nothing.

    `proved_id`: what the command changed, or the account of the `Proof`. Without an actor that is the account: the
    sender has its link, or its password.
    """
    if command.proves is None or proved_id is None:
        return None
    user_id = context.actor.user_id if context.actor else proved_id
    return SecurityEntry(command.proves, "done", context.correlation_id, context.client, user_id)


def refused(command: Command[Any], context: CommandContext, refusal: Refusal) -> SecurityEntry | None:
    """Return the entry of a command that was refused; None: for another reason than that nothing was proved."""
    if command.proves is None or refusal.code not in REASONS:
        return None
    user_id = context.actor.user_id if context.actor else None
    reason = cast(SecurityReason, refusal.code)
    return SecurityEntry(command.proves, "refused", context.correlation_id, context.client, user_id, reason=reason)
