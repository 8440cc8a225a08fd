"""Access to folders: everyone has their own. The path names a folder that is not there."""

from tests.support.access.kernel import CASES, OUTSIDERS, Case

MISSING = dict.fromkeys(OUTSIDERS, 404)

CASES += [
    Case("list_folders"),
    Case("create_folder", lambda _: {"name": "Novels"}),
    Case("get_folder", states=MISSING),
    Case("rename_folder", lambda _: {"name": "Letters"}, states=MISSING),
    Case("move_folder", lambda _: {"parent_id": None}, states=MISSING),
    Case("delete_folder", states=MISSING),
]
