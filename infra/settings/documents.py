"""How documents are kept."""

from datetime import timedelta

from pydantic import Field

from infra.settings.subject import Subject


class DocumentSettings(Subject):
    """When documents are archived by themselves."""

    archive_after_days: int = Field(
        0,
        ge=0,
        le=36_500,
        validation_alias="PALIMPSEST_ARCHIVE_AFTER_DAYS",
        description="Days without a save after which a document is archived; 0: never",
    )

    @property
    def archive_after(self) -> timedelta | None:
        """The time after which a document is archived; None: never."""
        return timedelta(days=self.archive_after_days) if self.archive_after_days else None
