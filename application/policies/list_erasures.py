"""Policy: each erasure is listed where the backups of the database do not reach, to be repeated after a restore."""

from collections.abc import Iterable

from eventsourcing.utils import get_topic

from application.policy import Reaction, policy
from application.privacy.erasure_list import ListErasure
from domain.content.document import Document
from domain.content.folder import FolderTree
from domain.content.share_link import ShareLinks
from domain.generation.generation import Generation
from domain.generation.provider_key import ProviderKey
from domain.identity.user import User
from domain.privacy.address import Address
from domain.privacy.legal_hold import LegalHold
from domain.teams.team import Team


@policy(since="beginning")
def list_erasures(
    event: User.Erased
    | Document.Erased
    | Team.Erased
    | Address.Erased
    | Address.ErasedAgain
    | FolderTree.Erased
    | ShareLinks.Erased
    | Generation.Erased
    | ProviderKey.Erased
    | LegalHold.Erased,
) -> Iterable[Reaction]:
    yield ListErasure(stream_kind=get_topic(event.root), stream_id=event.originator_id, erased_at=event.timestamp)
