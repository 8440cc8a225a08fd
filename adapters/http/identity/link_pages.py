"""Pages that links in mails lead to, for an installation without a front end of its own.

The token of a link is behind the # of the address: it stays in the browser, so it is in no request line and no log. The
page sends it by a button, never by itself: programs that check mails open every link.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from adapters.http.api.html import HtmlPage, html_page
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router

router = Router("/v1/auth/links", include_in_schema=False)

LinkPage = Literal["verify", "reset", "forgot", "email", "undo", "lockdown", "withdraw", "domain"]


@dataclass(frozen=True, slots=True)
class LinkForm:
    """What a page asks for, and the operation of `/v1/auth` that it calls. `fields`: as HTML."""

    title: str
    operation: str
    fields: str
    button: str
    done: str
    needs_token: bool = True

    def html(self) -> str:
        """Return the form. Its path is relative, so that it fits an API below a path of its host, too."""
        needs_token = "yes" if self.needs_token else "no"
        head = f'<form data-path="../{self.operation}" data-needs-token="{needs_token}" data-done="{self.done}">'
        return f'{head}\n{self.fields}<button type="submit">{self.button}</button>\n</form>'


FIELDS_OF_RESET = """\
<label for="password">New password: at least 15 characters, best a few uncommon words</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="15" required>
"""
FIELDS_OF_FORGOT = """\
<label for="email">Email address</label>
<input id="email" name="email" type="email" autocomplete="email" maxlength="254" required>
"""
FIELDS_OF_WITHDRAW = (
    FIELDS_OF_FORGOT
    + """\
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
"""
)
FORMS: Mapping[LinkPage, LinkForm] = {
    "verify": LinkForm(
        "Confirm your email address",
        "verify",
        "",
        "Confirm my address",
        "Your address is confirmed. You can log in now.",
    ),
    "reset": LinkForm(
        "Set a new password",
        "reset-password",
        FIELDS_OF_RESET,
        "Set the password",
        "Your new password is set. Log in with it.",
    ),
    "forgot": LinkForm(
        "Ask for a link to set a new password",
        "forgot-password",
        FIELDS_OF_FORGOT,
        "Send me a link",
        "If the address has an account, a mail with a link is on its way.",
        needs_token=False,
    ),
    "email": LinkForm(
        "Confirm the change of your email address",
        "confirm-email",
        "",
        "Confirm the change",
        "Confirmed. The address changes when both addresses have confirmed it; then log in with the new one.",
    ),
    "undo": LinkForm(
        "Undo the change of your email address",
        "undo-email-change",
        "",
        "Undo the change",
        "Your account has its former address again. A mail to it has a link to set a new password.",
    ),
    "lockdown": LinkForm(
        "Lock your account",
        "lockdown",
        "",
        "This was not me: lock my account",
        "Your account is locked, and all devices are logged out. A mail has a link to set a new password.",
    ),
    "withdraw": LinkForm(
        "Keep your account",
        "withdraw-deletion",
        FIELDS_OF_WITHDRAW,
        "Keep my account",
        "Your account stays. You can log in now.",
        needs_token=False,
    ),
    "domain": LinkForm(
        "Confirm that your domain belongs to a team",
        "prove-domain",
        "",
        "Yes, it belongs to the team",
        "The domain belongs to the team now.",
    ),
}


@router.get("/{name}")
async def link_page(name: LinkPage) -> Answer:
    """Return the page that a link leads to."""
    return page(name).answer()


@cache
def page(name: LinkPage) -> HtmlPage:
    """Return a page; its script calls this API only."""
    form = FORMS[name]
    frame = files("adapters.http.identity").joinpath("link_page.html").read_text()
    return html_page(frame.replace("TITLE", form.title).replace("FORM", form.html()), script=True)
