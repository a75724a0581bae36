"""Reading a log from its files alone: every proof can be made, and nothing wrong is ever used."""

from functools import cache

import pytest

from shared_schema.checkpoint import Checkpoint
from shared_schema.errors import ContractError, SchemaError
from shared_schema.merkle import Frontier, verify_consistency, verify_inclusion
from shared_schema.tiles import (
    CHECKPOINT_PATH,
    FileMissingError,
    LogFile,
    LogFileError,
    VerifiedLog,
    files_of,
    parse_path,
    verify_files,
)
from shared_schema.tlog_proof import TlogProof, parse_tlog_proof, verify_tlog_proof
from tests.shared_schema.memory_log import NAME, MemoryLog

SMALL = (1, 255, 256, 257, 258, 259, 300)
LARGE = (65_535, 65_536, 65_537, 70_000)


@cache
def log_of(size: int) -> MemoryLog:
    return MemoryLog.build(size)


# --- paths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("tile/0/000", LogFile(0, 0)),
        ("tile/63/x001/x234/067", LogFile(63, 1_234_067)),
        ("tile/1/000.p/1", LogFile(1, 0, 1)),
        ("tile/0/x001/000.p/255", LogFile(0, 1000, 255)),
        ("tile/entries/999", LogFile(None, 999)),
        ("tile/entries/x273/000.p/17", LogFile(None, 273_000, 17)),
    ],
)
def test_a_file_has_one_path(path: str, file: LogFile) -> None:
    assert parse_path(path) == file and file.path == path


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/", "tile//000", "/tile/0/000", "tile/0/000/", "tile/0/00", "tile/0/0000",
        "tile/00/000", "tile/01/000", "tile/64/000", "tile/-1/000", "tile/٠/000", "tile/Entries/000",
        "tile/0/x000/000", "tile/0/x000", "tile/0/001/000", "tile/0/X001/000",
        "tile/0/000.p/0", "tile/0/000.p/00", "tile/0/000.p/01", "tile/0/000.p/256", "tile/0/000.p/1000",
        "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1/", "tile/0/000.p/1.p/1", "tile/0/000.p/١", "tile/0/000.p/-1",
        "tile/entries/000.p/0", "tile/0/000\n", "tile/0/../0/000", "checkpoint", "tile/entries",
    ],
)  # fmt: skip
def test_every_other_path_is_refused(path: str) -> None:
    with pytest.raises(SchemaError):
        parse_path(path)


def test_the_files_of_70000_entries_are_those_of_the_specification() -> None:
    files = list(files_of(70_000))
    tiles = [file for file in files if file.level is not None]
    assert len([file for file in tiles if file.level == 0 and not file.is_partial]) == 273
    assert [file for file in tiles if file.is_partial] == [LogFile(0, 273, 112), LogFile(1, 1, 17), LogFile(2, 0, 1)]
    assert len([file for file in tiles if file.level == 1 and not file.is_partial]) == 1
    assert len([file for file in files if file.level is None]) == 274
    assert list(files_of(0)) == []


@pytest.mark.parametrize("new", [1, 256, 257, 300, 65_536, 65_700])
def test_only_what_a_smaller_tree_did_not_have_is_new(new: int) -> None:
    for old in {0, 1, 100, 255, 256, 257, 299, new - 1, new} & set(range(new + 1)):
        assert set(files_of(new, old)) == set(files_of(new)) - set(files_of(old)), old


# --- proofs --------------------------------------------------------------------------------------------------------


def prove_every_entry(size: int) -> int:
    log = log_of(size)
    reader = VerifiedLog(log.fetch, log.checkpoint)
    for index in range(size):
        hashes = reader.inclusion_proof(index)
        verify_inclusion(log.leaves[index], index, size, hashes, log.root)
        if index % max(1, size // 300) == 0:  # a signature each
            text = TlogProof(index, tuple(hashes), log.files[CHECKPOINT_PATH].decode()).to_text()
            verify_tlog_proof(parse_tlog_proof(text.encode()), log.entries[index], log.verifier)
    return size


def prove_consistency(sizes: tuple[int, ...]) -> int:
    count = 0
    for new in sizes:
        reader = VerifiedLog(log_of(new).fetch, log_of(new).checkpoint)
        for old in (0, *sizes):
            if old <= new:
                old_root = Frontier().root() if old == 0 else log_of(old).root
                verify_consistency(old, old_root, new, log_of(new).root, reader.consistency_proof(old))
                count += 1
    return count


@pytest.mark.parametrize("size", SMALL)
def test_the_inclusion_of_every_entry_is_proved_from_tiles(size: int) -> None:
    assert prove_every_entry(size) == size


def test_every_size_is_consistent_with_every_larger_one() -> None:
    assert prove_consistency(SMALL) == sum(range(2, len(SMALL) + 2))


@pytest.mark.long
@pytest.mark.parametrize("size", LARGE)
def test_the_inclusion_of_every_entry_of_a_large_log_is_proved_from_tiles(size: int) -> None:
    print(f"size {size}: {prove_every_entry(size)} entries proved")


@pytest.mark.long
def test_every_large_size_is_consistent_with_every_larger_one() -> None:
    sizes = (*SMALL, *LARGE)
    print(f"sizes {sizes}: {prove_consistency(sizes)} consistency proofs")


def test_every_entry_is_read_from_its_bundle() -> None:
    log = log_of(300)
    reader = VerifiedLog(log.fetch, log.checkpoint)
    assert [reader.entry(index) for index in range(300)] == log.entries


def test_a_proof_needs_a_few_files() -> None:
    log = MemoryLog.build(1000)
    VerifiedLog(log.fetch, log.checkpoint).inclusion_proof(3)
    assert sorted(log.asked) == ["tile/0/000", "tile/0/003.p/232", "tile/1/000.p/3"]


@pytest.mark.parametrize("place", [(0, -1), (0, 300), (1, 150), (8, 1), (9, 0), (70, 0)])
def test_nothing_beyond_the_tree_is_read(place: tuple[int, int]) -> None:
    log = log_of(300)
    with pytest.raises(SchemaError):
        VerifiedLog(log.fetch, log.checkpoint).node(*place)
    for number in (-1, 2):
        with pytest.raises(SchemaError):
            VerifiedLog(log.fetch, log.checkpoint).bundle(number)


def test_a_full_file_stands_in_for_a_partial_one_that_was_dropped() -> None:
    # C2SP tlog-tiles: "MAY fetch the full tile as a fallback in case the partial tile is not available anymore".
    log, larger = log_of(300), MemoryLog.build(600)
    larger.files["tile/1/000.p/1"] = log.files["tile/1/000.p/1"]  # its full tile comes with 65,536 entries
    reader = VerifiedLog(larger.fetch, log.checkpoint)
    assert reader.entry(299) == log.entries[299]
    verify_inclusion(log.leaves[299], 299, 300, reader.inclusion_proof(299), log.root)
    assert "tile/0/001" in larger.asked


# --- damage --------------------------------------------------------------------------------------------------------


def read_everything(log: MemoryLog) -> None:
    """As a node or witness does: the checkpoint with the pinned key, then proofs and entries."""
    reader = VerifiedLog(log.fetch, log.checkpoint)
    for index in {0, log.size // 2, log.size - 1}:
        reader.inclusion_proof(index)
    for number in range(-(-log.size // 256)):
        reader.bundle(number)


def flip_every_file(log: MemoryLog, bits: int) -> int:
    """Flip bits of every file, one at a time; the walk and a reader refuse each, and the walk names the file."""
    count = 0
    for path, data in list(log.files.items()):
        for turn in range(bits):
            bit = (turn * 8 * len(data)) // bits + (count % 8)
            with log.damaged(path, bit):
                if path == CHECKPOINT_PATH:
                    with pytest.raises((ContractError, UnicodeDecodeError)):
                        _ = log.checkpoint
                    continue
                with pytest.raises(LogFileError) as found:
                    verify_files(log.fetch, log.checkpoint)
                assert found.value.path == path
        count += 1
    return count


@pytest.mark.parametrize("size", SMALL)
def test_one_flipped_bit_in_any_file_is_found_and_the_file_named(size: int) -> None:
    assert flip_every_file(log_of(size), 16) == len(log_of(size).files)


@pytest.mark.parametrize("size", SMALL)
def test_a_reader_of_entries_refuses_one_flipped_bit_in_any_file(size: int) -> None:
    log = log_of(size)
    for path in list(log.files):
        with log.damaged(path, 77), pytest.raises((ContractError, UnicodeDecodeError)):
            read_everything(log)


@pytest.mark.parametrize("size", SMALL)
def test_a_missing_file_is_found_and_named(size: int) -> None:
    log = MemoryLog.build(size)
    for path in [path for path in log.files if path != CHECKPOINT_PATH]:
        data = log.files.pop(path)
        with pytest.raises(FileMissingError, match=path):
            verify_files(log.fetch, log.checkpoint)
        log.files[path] = data


@pytest.mark.parametrize("size", [256, 300])
def test_a_file_that_is_too_long_or_too_short_is_found(size: int) -> None:
    log = MemoryLog.build(size)
    for path in [path for path in log.files if path != CHECKPOINT_PATH]:
        data = log.files[path]
        for wrong in (data[:-1], data[:-32], data + bytes(32), data + b"\x00", b"", data + data):
            log.files[path] = wrong
            with pytest.raises(LogFileError) as found:
                verify_files(log.fetch, log.checkpoint)
            assert found.value.path == path
        log.files[path] = data


def test_a_root_that_no_file_leads_to_is_the_checkpoints_own_fault() -> None:
    with pytest.raises(LogFileError) as found:
        verify_files(log_of(300).fetch, Checkpoint(NAME, 300, bytes(32)))
    assert found.value.path == CHECKPOINT_PATH


@pytest.mark.long
@pytest.mark.parametrize("size", [65_537, 70_000])
def test_one_flipped_bit_in_any_file_of_a_large_log_is_refused(size: int) -> None:
    log = log_of(size)
    count = 0
    for path in [path for path in log.files if path != CHECKPOINT_PATH]:
        file = parse_path(path)
        with log.damaged(path, 8 * 8191 + count % 8):
            with pytest.raises(LogFileError):
                reader = VerifiedLog(log.fetch, log.checkpoint)
                reader.bundle(file.number) if file.level is None else reader.tile(file.level, file.number)
            with pytest.raises(LogFileError) as found:
                verify_files(log.fetch, log.checkpoint)
            assert found.value.path == path
        count += 1
    with log.damaged(CHECKPOINT_PATH, 1000), pytest.raises(ContractError):
        _ = log.checkpoint
    verify_files(log.fetch, log.checkpoint)
    print(f"size {size}: one flipped bit in each of {count} tiles and bundles and in the checkpoint refused and named")
