"""Times of mails: a job is not ended while the mail server may still answer, as its repeat would be a second mail."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from adapters.mail.smtp_mailer import LAST_REPLY_SECONDS
from application.identity.account_jobs import AccountMail
from application.jobs import PERFORMERS
from application.ports import MAIL_TIMEOUT
from infra.settings.mail import MailSettings

MAX_TIMEOUT = 50


def test_a_try_outlasts_the_slowest_server_that_the_settings_allow() -> None:
    MailSettings.model_validate({"PALIMPSEST_SMTP_TIMEOUT": MAX_TIMEOUT})
    with pytest.raises(ValidationError):
        MailSettings.model_validate({"PALIMPSEST_SMTP_TIMEOUT": MAX_TIMEOUT + 1})
    assert timedelta(seconds=MAX_TIMEOUT + LAST_REPLY_SECONDS) < MAIL_TIMEOUT


def test_kinds_of_jobs_that_send_mails_have_the_time_of_a_mail() -> None:
    times = {kind: kind.run_timeout for kind, performer in PERFORMERS.items() if "mailer" in performer.ports}
    assert times[AccountMail] == MAIL_TIMEOUT
    assert {*times.values()} == {MAIL_TIMEOUT}
