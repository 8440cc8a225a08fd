"""Sources of keys: a private file, a variable or a command. No error shows a secret."""

import errno
import json
import os
import sys
from pathlib import Path
from stat import S_ISDIR
from uuid import UUID

import pytest

from infra.bootstrap.links import open_link_tokens
from infra.private_file import write_private
from infra.sealing import key_file, key_source
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.key_source import KeySource
from infra.sealing.process_keys import ProcessKeys
from infra.sealing.store_keys import Damage
from infra.settings.errors import SettingsError
from infra.settings.keys import KeySettings
from tests.support.stores import KEY_RING, make_key_file

CANARY = "hunter2-canary"


def settings(file: Path, **more: str) -> KeySettings:
    return KeySettings.model_validate({"PALIMPSEST_KEYS_FILE": file, **more})


def source(file: Path, **more: str) -> KeySource:
    return KeySource(settings(file, **more))


def changed(**change: object) -> str:
    """The document with a change to its first key."""
    document = json.loads(KEY_RING.document())
    document["keys"][0] |= change
    return json.dumps(document)


def test_a_file_a_variable_and_a_command_are_sources(tmp_path: Path) -> None:
    file = make_key_file(tmp_path)
    assert source(file).read() == KEY_RING
    assert source(Path("none"), PALIMPSEST_KEYS=KEY_RING.document()).read() == KEY_RING
    assert source(Path("none"), PALIMPSEST_KEYS_COMMAND=f"cat '{file}'").read() == KEY_RING


def test_a_command_runs_without_a_shell_and_its_output_is_never_shown(tmp_path: Path) -> None:
    failing = f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr); sys.exit(3)"
    for command, words in (
        (f'{sys.executable} -c "{failing}"', "exit code 3"),
        (f"echo {CANARY}; touch {tmp_path}/made", "not a key document"),
        ("/no/such/command", "FileNotFoundError"),
        ("'", "ValueError"),
    ):
        with pytest.raises(SettingsError, match=words) as caught:
            source(tmp_path, PALIMPSEST_KEYS_COMMAND=command).read()
        assert CANARY not in str(caught.value)
        assert caught.value.__suppress_context__
    assert not (tmp_path / "made").exists()


def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.sealing.key_source.COMMAND_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(SettingsError, match="TimeoutExpired"):
        source(tmp_path, PALIMPSEST_KEYS_COMMAND="sleep 60").read()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = make_key_file(tmp_path)
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        source(file).read()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (CANARY, "not a key document"),
        ("[]", "not a key document"),
        (changed(secret=CANARY), "not a key document"),
        (changed(secret="AAAA"), "not a key document"),
        (changed(kind="other"), "not a key document"),
        (changed(state="other"), "not a key document"),
        (changed(id=""), "not a key document"),
        (changed(until="soon"), "not a key document"),
        (changed(state="earlier"), "exactly one key-encryption key must be current"),
        (changed(kind="store"), "exactly one key-encryption key must be current"),
        (KEY_RING.with_next(KeyKind.BLIND_INDEX).document(), "only one blind-index key"),
        (KEY_RING.with_next(KeyKind.LOG).document(), "only one log key"),
        (KEY_RING.document().replace(KEY_RING.current(KeyKind.STORE).id, "00000000"), "must be the tag"),
        (KeyRing((*KEY_RING.keys, KEY_RING.keys[0])).document(), "exactly one"),
    ],
)
def test_a_wrong_document_is_explained_and_no_secret_shown(document: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        source(Path("none"), PALIMPSEST_KEYS=document).read()
    assert str(caught.value).startswith("PALIMPSEST_KEYS")
    assert CANARY not in str(caught.value)


def test_a_missing_file_is_explained() -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        source(Path("/nonexistent/keys.json")).read()


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key_file.ensure(settings(file), data_exists=False)
    made = file.read_text()
    key_file.ensure(settings(file), data_exists=True)
    assert file.read_text() == made
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_from_before_there_was_a_log_key_gets_one(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    before = KeyRing(tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG))
    write_private(file, before.document())
    assert source(file).read() == before
    key_file.ensure(settings(file), data_exists=True)
    [made] = source(file).read().of(KeyKind.LOG)
    assert source(file).read().keys == (*before.keys, made)
    key_file.ensure(settings(file), data_exists=True)
    assert source(file).read().of(KeyKind.LOG) == [made]


def test_a_file_that_cannot_be_changed_stays_without_a_log_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mounted secret: it stopped `up`, though only the sealer needs that key."""
    file = tmp_path / "keys.json"
    before = KeyRing(tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG))
    write_private(file, before.document())

    def refuse(path: Path, text: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(key_source, "write_private", refuse)
    key_file.ensure(settings(file), data_exists=True)
    assert source(file).read() == before
    with pytest.raises(SettingsError, match=r"cannot be written \(Read-only file system\)"):
        key_file.ensure(settings(tmp_path / "none"), data_exists=False)


def test_a_file_that_cannot_be_replaced_leaves_no_draft_with_secrets(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "keys.json", CANARY)
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


def test_a_written_key_file_is_on_disk_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power failure after a rotation could bring back the former file, without the key that all data is under."""
    file, flushed = tmp_path / "keys.json", list[tuple[bool, bool]]()
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append((S_ISDIR(os.fstat(fd).st_mode), file.exists())))
    source(file).write(KEY_RING)
    assert flushed == [(False, False), (True, True)]


def test_keys_from_elsewhere_are_not_written_down(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key_file.ensure(settings(file, PALIMPSEST_KEYS=KEY_RING.document()), data_exists=True)
    assert not file.exists()


def test_no_new_keys_are_made_for_data_whose_keys_are_lost(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with pytest.raises(SettingsError, match="Restore"):
        key_file.ensure(settings(file), data_exists=True)
    assert not file.exists()


def test_a_changed_file_is_noticed_and_read_for_what_is_under_an_unknown_key(tmp_path: Path) -> None:
    file = make_key_file(tmp_path)
    keys = ProcessKeys(source(file))
    ring = KEY_RING.with_next(KeyKind.STORE)
    new = ring.next(KeyKind.STORE)
    assert new is not None
    elsewhere = ProcessKeys(source(file, PALIMPSEST_KEYS=ring.promoted(KeyKind.STORE).document()))
    stamp = elsewhere.stamps.stamp(b"text")
    source(file).write(ring)
    keys.stamps.check(stamp, b"text")
    assert keys.ring == KEY_RING, "a key is used for writing before its check value was compared"


def test_a_document_that_comes_into_use_reaches_all_that_follow_the_keys(tmp_path: Path) -> None:
    keys = ProcessKeys(source(make_key_file(tmp_path)))
    taken: list[KeyRing] = []
    keys.follow(taken.append)
    keys.follow(taken.append)
    tokens = open_link_tokens(keys)
    link = tokens.make("verify", UUID(int=1), UUID(int=2))
    rotated = KEY_RING.with_next(KeyKind.SIGNING).promoted(KeyKind.SIGNING)
    keys.use(rotated, [])
    assert taken == [rotated, rotated]
    assert tokens.make("verify", UUID(int=1), UUID(int=2)) != link
    assert tokens.again("verify", UUID(int=1), UUID(int=2), link.digest) == link


def test_a_command_runs_at_the_start_and_then_every_half_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(key_source, "monotonic", lambda: now)
    keys = source(Path("none"), PALIMPSEST_KEYS_COMMAND=f"printf %s '{KEY_RING.document()}'")
    assert keys.has_changed()
    keys.read()
    assert not keys.has_changed()
    now += 30
    assert keys.has_changed()


def test_a_variable_never_changes_and_a_file_only_where_it_can_be_seen(tmp_path: Path) -> None:
    assert not source(Path("none"), PALIMPSEST_KEYS=KEY_RING.document()).has_changed()
    file = make_key_file(tmp_path)
    keys = source(file)
    keys.read()
    assert not keys.has_changed()
    os.utime(file, (1, 1))
    assert keys.has_changed()
    file.unlink()
    assert not keys.has_changed()


def test_the_limits_of_store_keys_in_the_document_count_from_the_start() -> None:
    """Commands that compare no keys with the database took later events of a retired store key for good."""
    stamp = ProcessKeys(source(Path("none"), PALIMPSEST_KEYS=KEY_RING.document())).stamps.stamp(b"text")
    ring = KEY_RING.with_next(KeyKind.STORE).promoted(KeyKind.STORE).limited(KeyKind.STORE, 7)
    keys = ProcessKeys(source(Path("none"), PALIMPSEST_KEYS=ring.document()))
    keys.stamps.check(stamp, b"text", 7)
    with pytest.raises(Damage):
        keys.stamps.check(stamp, b"text", 8)


def test_a_document_that_became_wrong_changes_nothing(tmp_path: Path) -> None:
    file = make_key_file(tmp_path)
    keys = ProcessKeys(source(file))
    file.write_text("{")
    os.utime(file, (1, 1))
    assert keys.learn() == KEY_RING
