"""The key that file references are hashed with, and the hash."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.errors import RecordError
from local_node.units import UNIT_KEY_FILE, hash_unit, load_unit_key

KEY = bytes(range(32))


@pytest.mark.parametrize("text", ["", "00", "x" * 64, "00" * 33])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / UNIT_KEY_FILE
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(RecordError, match="expected 64 hexadecimal digits"):
        load_unit_key(tmp_path, may_make=True)
    assert path.read_text() == text


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_unit_key(tmp_path, may_make=True)
    (tmp_path / UNIT_KEY_FILE).chmod(0o640)
    with pytest.raises(RecordError, match="only its owner can read"):
        load_unit_key(tmp_path, may_make=True)


def test_a_lost_key_is_not_made_anew_while_persons_are_hashed_with_it(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="would count again"):
        load_unit_key(tmp_path, may_make=False)
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_made_once_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = load_unit_key(tmp_path, may_make=True)
    assert load_unit_key(tmp_path, may_make=True) == load_unit_key(tmp_path, may_make=False) == key
    assert len(key) == 32
    assert [path.name for path in tmp_path.iterdir()] == [UNIT_KEY_FILE]
    assert (tmp_path / UNIT_KEY_FILE).stat().st_mode & 0o777 == 0o600


parts = st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4))


@given(parts, parts)
def test_no_two_triples_share_a_hash(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (hash_unit(KEY, *one) == hash_unit(KEY, *other)) == (one == other)


def test_where_one_part_ends_and_the_next_begins_is_part_of_the_hash() -> None:
    assert hash_unit(KEY, "ab", "c", "d") != hash_unit(KEY, "a", "bc", "d")


def test_another_key_gives_another_hash() -> None:
    assert hash_unit(KEY, "m", "a", "1") != hash_unit(bytes(32), "m", "a", "1")
