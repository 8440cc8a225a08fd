"""Distribution of the tests to the processes of a run: file by file, so that what a file shares is made once.

Files that share more go together.
"""

from xdist.scheduler import LoadFileScheduling

PLANTS = "tests/chaos/test_plants"
GROUPS = {
    f"{PLANTS}.py": PLANTS,
    f"{PLANTS}_in_generations.py": PLANTS,
    f"{PLANTS}_in_workers.py": PLANTS,
}
"""The group of a file. The first one spoils copies of one real run, which takes a house."""


class FilesInGroups(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Gives each process that has nothing to do the next file or group, in the order of their names.

    So the units, which are short, come last: no process waits long for the others.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return GROUPS.get(file, file)
