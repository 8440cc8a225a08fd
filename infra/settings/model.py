"""All settings, a field for each subject. A new subject is a file beside this one and a line here."""

from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict

from infra.settings.audit import AuditSettings
from infra.settings.database import DatabaseSettings, OwnerSettings
from infra.settings.dns import DnsSettings
from infra.settings.documents import DocumentSettings
from infra.settings.files import FileSettings
from infra.settings.http import HttpSettings
from infra.settings.installation import InstallationSettings
from infra.settings.jobs import JobSettings
from infra.settings.kafka import KafkaSettings
from infra.settings.keys import KeySettings
from infra.settings.limits import LimitSettings
from infra.settings.logs import LogSettings
from infra.settings.mail import MailSettings
from infra.settings.metrics import MetricsSettings
from infra.settings.policies import PolicySettings
from infra.settings.projector import ProjectorSettings
from infra.settings.provider import ProviderSettings
from infra.settings.redis import RedisSettings
from infra.settings.siem import SiemSettings
from infra.settings.subject import Subject
from infra.settings.tokens import TokenSettings


class SubjectGroup(BaseModel):
    """Several subjects, validated together, so that all errors are found at once."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_variables(cls, values: Mapping[str, Any]) -> Self:
        """Settings from values by environment variable.

        Raises:
            ValidationError: some values are missing or wrong.
        """
        return cls.model_validate(dict.fromkeys(cls.model_fields, values), context=values)

    @classmethod
    def subjects(cls) -> dict[str, type[Subject]]:
        """The class of each subject, by name."""
        return {name: cast(type[Subject], field.annotation) for name, field in cls.model_fields.items()}


class Settings(SubjectGroup):
    """The settings of a process. `palimpsest settings` shows them in this order."""

    installation: InstallationSettings
    database: DatabaseSettings
    redis: RedisSettings
    kafka: KafkaSettings
    projector: ProjectorSettings
    policies: PolicySettings
    audit: AuditSettings
    siem: SiemSettings
    jobs: JobSettings
    documents: DocumentSettings
    http: HttpSettings
    limits: LimitSettings
    mail: MailSettings
    dns: DnsSettings
    files: FileSettings
    provider: ProviderSettings
    metrics: MetricsSettings
    keys: KeySettings
    tokens: TokenSettings
    logs: LogSettings


class MigrationSettings(SubjectGroup):
    """The settings of a process that changes or checks the schema."""

    owner: OwnerSettings


class ReaderSettings(SubjectGroup):
    """The settings of a process that only reads the published stream: it needs no database and no keys."""

    kafka: KafkaSettings


class MailerSettings(SubjectGroup):
    """The settings of a process that only sends mails: it needs no database and no keys."""

    installation: InstallationSettings
    http: HttpSettings
    mail: MailSettings


def variables() -> list[str]:
    """All environment variables that are settings."""
    subjects = [*Settings.subjects().values(), *MigrationSettings.subjects().values()]
    return [subject.variable(field) for subject in subjects for field in subject.model_fields]
