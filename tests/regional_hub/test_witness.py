"""A hub vouches with a time for its own head, for other logs by the witness protocol, and keeps what contradicts."""

import json
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from regional_hub import cosigning
from regional_hub.orm import CosignatureRow, HeadEvidenceRow, WitnessedRow
from shared_schema.checkpoint import Checkpoint, NoteVerifier, split_note, verify_checkpoint
from shared_schema.cosignature import cosign, cosigned_at, cosigner, verify_announcement, verify_cosignature
from shared_schema.head_evidence import judge, parse_evidence
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import COSIGNER_FILE
from shared_schema.witness import MAX_REQUEST_BYTES, SIZE_MEDIA_TYPE, write_request
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, check_problem, join, key_of
from tests.shared_schema import builders
from tests.shared_schema.test_witness import FORKED, HONEST, KEY, LOG

pytestmark = pytest.mark.sqlite_is_enough

# --- the hub's own cosignature -------------------------------------------------------------------------------------


def time_served(hub: RunningHub) -> int | None:
    note = hub.client.get("/checkpoint").text
    verify_checkpoint(note, hub.hub.verifier)
    return cosigned_at(note, hub.hub.cosigner)


def test_the_served_checkpoint_says_when_it_was_the_newest(hub: RunningHub, city: City) -> None:
    assert time_served(hub) == int(hub.clock().timestamp())
    page = city.feed()
    assert cosigned_at(page["checkpoint"], hub.hub.cosigner) == int(hub.clock().timestamp())


def test_it_is_renewed_when_an_hour_has_passed_and_not_before(hub: RunningHub) -> None:
    first = time_served(hub)
    assert first is not None
    hub.clock.advance(minutes=59)
    assert time_served(hub) == first
    hub.clock.advance(minutes=1)
    assert time_served(hub) == first + 3600


def test_a_new_head_is_cosigned_at_once_and_the_old_lines_are_forgotten(hub: RunningHub, city: City) -> None:
    time_served(hub)
    hub.accept(city.sign())
    hub.clock.advance(seconds=7)
    assert time_served(hub) == int(hub.clock().timestamp())
    with hub.hub.database.read() as session:
        assert len(session.scalars(select(CosignatureRow)).all()) == 1


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=365)])
def test_the_time_of_a_head_never_goes_back_whatever_the_clock_does(
    hub: RunningHub, city: City, jump: timedelta
) -> None:
    """CHECKS 69."""
    hub.clock.now += jump
    ahead = time_served(hub)
    hub.accept(city.sign())
    assert time_served(hub) == ahead
    hub.clock.now -= jump
    hub.accept(city.sign())
    assert time_served(hub) == ahead
    hub.clock.now += jump + timedelta(hours=2)
    assert (time_served(hub) or 0) > (ahead or 0)
    times = [item["entry"]["time"] for item in city.feed()["entries"]]
    assert times == sorted(times)


def test_the_log_key_announces_the_cosigner_and_its_file_stays(hub: RunningHub) -> None:
    announcement = hub.client.get("/v1/cosigner").text
    assert verify_announcement(announcement, hub.hub.verifier) == hub.hub.cosigner
    file = hub.hub.data_dir / COSIGNER_FILE
    assert file.stat().st_mode & 0o077 == 0
    assert hub.hub.cosigner.key != hub.hub.verifier.key


def test_the_identity_of_a_hub_has_no_new_field_so_older_nodes_can_still_pin_it(hub: RunningHub) -> None:
    assert set(hub.client.get("/v1/hub").json()) == {"api", "name", "level", "vkey", "fingerprint"}


@pytest.mark.sqlite_is_enough(False)
def test_renewing_twice_leaves_one_line(hub: RunningHub) -> None:
    with hub.hub.database.write() as session:
        for _ in range(2):
            cosigning.renew(session, hub.hub.name, hub.hub.cosigner_key, hub.clock())
    note = hub.client.get("/checkpoint").text
    assert note.count("\n— ") == 2


# --- the witness protocol ------------------------------------------------------------------------------------------


@pytest.fixture
def witness(hub: RunningHub) -> RunningHub:
    """A hub that witnesses the log of the rules' tests."""
    hub.verb("witness.add-log", vkey=LOG.vkey)
    return hub


def submit(witness: RunningHub, body: bytes) -> httpx.Response:
    return witness.client.post("/add-checkpoint", content=body)


def state(witness: RunningHub) -> tuple[int, bytes]:
    with witness.hub.database.read() as session:
        row = session.get_one(WitnessedRow, LOG.name)
        return row.size, row.root


def check_size(response: httpx.Response, known: int) -> None:
    assert response.status_code == 409
    assert response.headers["content-type"] == SIZE_MEDIA_TYPE == "text/x.tlog.size"
    assert response.content == f"{known}\n".encode()


def test_a_head_that_continues_gets_a_cosignature_of_the_witness(witness: RunningHub) -> None:
    for old, new in ((0, 7), (7, 7), (7, 21)):
        witness.clock.advance(minutes=1)
        response = submit(witness, HONEST.request(old, new))
        assert response.status_code == 200
        line = response.text
        text = HONEST.checkpoint(new).to_text()
        assert verify_cosignature(text, line, witness.hub.cosigner) == int(witness.clock().timestamp())
        assert state(witness) == (new, HONEST.checkpoint(new).root)


def test_an_unknown_log_is_404(hub: RunningHub) -> None:
    check_problem(submit(hub, HONEST.request(0, 7)), ProblemCode.NOT_FOUND)


def test_a_head_without_the_log_s_signature_is_403(witness: RunningHub) -> None:
    body = write_request(0, [], HONEST.checkpoint(7).sign(key_of("somebody else")))
    check_problem(submit(witness, body), ProblemCode.WITNESS_SIGNATURE, 403)
    assert state(witness)[0] == 0


@pytest.mark.parametrize(
    "body", [b"", b"old x\n\n", write_request(21, [], HONEST.checkpoint(7).sign(KEY)), b"\xff\xfe"]
)
def test_another_form_or_an_old_size_above_the_new_is_400(witness: RunningHub, body: bytes) -> None:
    check_problem(submit(witness, body), ProblemCode.WITNESS_REQUEST, 400)


def test_another_old_size_is_409_with_the_size_that_is_known(witness: RunningHub) -> None:
    submit(witness, HONEST.request(0, 7))
    check_size(submit(witness, HONEST.request(0, 21)), 7)
    check_size(submit(witness, HONEST.request(9, 21)), 7)
    assert state(witness)[0] == 7


def test_another_root_under_the_known_size_is_409_and_kept_as_evidence(witness: RunningHub) -> None:
    submit(witness, HONEST.request(0, 21))
    check_size(submit(witness, FORKED.request(21, 21)), 21)
    assert state(witness) == (21, HONEST.checkpoint(21).root)
    (found,) = witness.verb("evidence.list")["evidence"]
    assert (found["about"], found["proven"]) == (LOG.name, True)


def test_a_proof_beside_the_very_head_that_is_known_is_422_and_no_evidence(witness: RunningHub) -> None:
    """With 409 and the size that it has said already a client would ask for ever."""
    submit(witness, HONEST.request(0, 21))
    again = write_request(21, [b"p" * 32], HONEST.checkpoint(21).sign(KEY))
    check_problem(submit(witness, again), ProblemCode.WITNESS_PROOF, 422)
    assert witness.verb("evidence.list")["evidence"] == []


def test_a_fork_is_422_and_its_evidence_convinces_somebody_who_has_the_key_alone(witness: RunningHub) -> None:
    submit(witness, HONEST.request(0, 21))
    check_problem(submit(witness, FORKED.request(21, 40)), ProblemCode.WITNESS_PROOF, 422)
    assert state(witness)[0] == 21
    (found,) = witness.verb("evidence.list")["evidence"]
    exported = witness.verb("evidence.export", id=found["id"][:12])["file"]

    verdict = judge(parse_evidence(json.dumps(exported).encode()), LOG.vkey)
    assert verdict.proven and "does not begin with" in verdict.sentence
    assert [(alarm["about"], alarm["code"]) for alarm in witness.verb("status")["alarms"]] == [(LOG.name, "feed-fork")]


def test_a_stranger_with_a_public_head_and_a_wrong_proof_raises_no_alarm(witness: RunningHub) -> None:
    submit(witness, HONEST.request(0, 21))
    body = write_request(21, [b"x" * 32] * 3, HONEST.checkpoint(40).sign(KEY))
    for _ in range(3):
        check_problem(submit(witness, body), ProblemCode.WITNESS_PROOF, 422)
    assert witness.verb("status")["alarms"] == []
    assert [found["proven"] for found in witness.verb("evidence.list")["evidence"]] == [False]
    assert submit(witness, HONEST.request(21, 40)).status_code == 200


def test_a_body_above_the_limit_is_413_and_a_packed_one_415(witness: RunningHub) -> None:
    check_problem(submit(witness, b"x" * (MAX_REQUEST_BYTES + 1)), ProblemCode.TOO_LARGE)
    response = witness.client.post("/add-checkpoint", content=b"x", headers={"Content-Encoding": "gzip"})
    check_problem(response, ProblemCode.UNSUPPORTED_ENCODING)


def test_a_witness_s_time_for_a_log_never_goes_back(witness: RunningHub) -> None:
    """CHECKS 69."""
    first = submit(witness, HONEST.request(0, 7)).text
    witness.clock.advance(days=-365)
    again = submit(witness, HONEST.request(7, 21)).text
    times = [
        verify_cosignature(HONEST.checkpoint(size).to_text(), line, witness.hub.cosigner)
        for size, line in ((7, first), (21, again))
    ]
    assert times[0] == times[1]


def test_what_was_witnessed_is_shown_to_anybody(witness: RunningHub) -> None:
    check_problem(witness.client.get(f"/v1/witnessed/{LOG.name}"), ProblemCode.NOT_FOUND)
    submit(witness, HONEST.request(0, 21))
    note = witness.client.get(f"/v1/witnessed/{LOG.name}").text
    assert verify_checkpoint(note, LOG) == HONEST.checkpoint(21)
    assert cosigned_at(note, witness.hub.cosigner) == int(witness.clock().timestamp())
    for origin in ("nobody.de", "%00", "x" * 400, "a/b"):
        check_problem(witness.client.get(f"/v1/witnessed/{origin}"), ProblemCode.NOT_FOUND)


def test_a_log_is_not_witnessed_with_two_keys(witness: RunningHub) -> None:
    other = NoteVerifier(LOG.name, key_of("somebody else").public)
    with pytest.raises(VerbError, match="key that is known"):
        witness.verb("witness.add-log", vkey=other.vkey)
    with pytest.raises(VerbError, match="hub's own"):
        witness.verb("witness.add-log", vkey=witness.hub.verifier.vkey)


def test_a_log_that_is_no_longer_witnessed_is_unknown(witness: RunningHub) -> None:
    witness.verb("witness.remove", name=LOG.name, log=True)
    check_problem(submit(witness, HONEST.request(0, 7)), ProblemCode.NOT_FOUND)
    with pytest.raises(VerbError):
        witness.verb("witness.remove", name=LOG.name, log=True)


@pytest.mark.sqlite_is_enough(False)
def test_the_evidence_of_one_log_does_not_fill_the_disk(witness: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regional_hub.witness.MAX_EVIDENCE", 2)
    submit(witness, HONEST.request(0, 21))
    for size in range(22, 30):
        submit(witness, write_request(21, [], HONEST.checkpoint(size).sign(KEY)))
    with witness.hub.database.read() as session:
        assert len(session.scalars(select(HeadEvidenceRow)).all()) == 2


# --- hubs that witness each other ----------------------------------------------------------------------------------


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("bund.de", "nation")


@pytest.fixture
def region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    hub = start_hub("sachsen.de")
    join(hub, nation)
    return hub


def test_hubs_that_follow_each_other_witness_each_other_by_themselves(region: RunningHub, nation: RunningHub) -> None:
    for one, other in ((region, nation), (nation, region)):
        assert one.verb("witness.collect") == {"asked": 1, "cosigned": 1, "problems": []}
        note = one.client.get("/checkpoint").text
        assert cosigned_at(note, other.hub.cosigner) == int(other.clock().timestamp())
        assert cosigned_at(note, one.hub.cosigner) is not None


def test_a_witness_is_asked_again_for_a_new_head_or_after_an_hour(region: RunningHub, nation: RunningHub) -> None:
    region.verb("witness.collect")
    assert region.verb("witness.collect")["asked"] == 0
    region.accept(region.enrol("leipzig.sn.de").sign())
    assert region.verb("witness.collect")["cosigned"] == 1
    region.clock.advance(hours=1)
    assert region.verb("witness.collect")["cosigned"] == 1
    (listed,) = region.verb("witness.list")["witnesses"]
    assert (listed["name"], listed["cosigned"], listed["problem"]) == ("bund.de", region.log_size(), None)


def test_a_witness_that_knows_another_size_says_so_and_is_asked_from_there(
    region: RunningHub, nation: RunningHub
) -> None:
    region.verb("witness.collect")
    region.verb("witness.remove", name="bund.de")  # and with it what is known about it
    region.accept(region.enrol("leipzig.sn.de").sign())
    assert region.verb("witness.collect")["cosigned"] == 1


def test_a_witness_that_knows_a_longer_log_of_ours_raises_an_alarm(region: RunningHub, nation: RunningHub) -> None:
    """The database was restored from an old copy: the witness notices before anybody is shown a fork."""
    region.accept(region.enrol("leipzig.sn.de").sign())
    region.verb("witness.collect")
    with nation.hub.database.write() as session:
        row = session.get_one(WitnessedRow, "sachsen.de")
        row.size, row.root = row.size + 3, b"x" * 32  # what the lost part of the log had led to
    region.clock.advance(hours=2)
    (problem,) = region.verb("witness.collect")["problems"]
    assert problem == {"witness": "bund.de", "problem": "witness-size"}
    assert [alarm["code"] for alarm in region.verb("status")["alarms"]] == ["feed-rollback"]


def test_an_unreachable_witness_stops_nobody(region: RunningHub, nation: RunningHub) -> None:
    region.verb("witness.collect")
    nation_app = region.network.apps.pop(nation.url)
    region.clock.advance(hours=2)
    assert region.verb("witness.collect")["problems"] == [{"witness": "bund.de", "problem": "unreachable"}]
    region.network.apps[nation.url] = nation_app
    assert time_served(region) == int(region.clock().timestamp())


def test_a_follower_reads_who_vouches_and_is_content(region: RunningHub, nation: RunningHub) -> None:
    for hub in (region, nation):
        hub.verb("witness.collect")
    for hub in (region, nation):
        (source,) = hub.verb("follow")["sources"]
        assert "alarm" not in source
        assert hub.verb("status")["alarms"] == []


def test_a_hub_shows_what_it_has_read_of_a_log_that_nobody_has_submitted(
    region: RunningHub, nation: RunningHub
) -> None:
    nation.verb("follow")
    note = nation.client.get("/v1/witnessed/sachsen.de").text
    assert verify_checkpoint(note, region.hub.verifier).size == region.log_size()


class OtherWitness(httpx.BaseTransport):
    """A witness of somebody else; `end` is how its answer ends."""

    key = key_of("witness.example.org")
    verifier = cosigner("witness.example.org", key)

    def __init__(self, end: str) -> None:
        self.end = end

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        note = request.read().decode().partition("\n\n")[2]
        line = cosign(split_note(note)[0], self.verifier.name, self.key, 1_700_000_000)
        return httpx.Response(200, stream=httpx.ByteStream((line.removesuffix("\n") + self.end).encode()))


@pytest.mark.parametrize("end", ["", "\n", "\n\n— x y\n", "\r", "\u2028", "\x0b"])
def test_however_a_witness_ends_its_answer_the_served_checkpoint_stays_a_note(hub: RunningHub, end: str) -> None:
    witness = OtherWitness(end)
    hub.network.others["https://witness.example.org"] = witness
    hub.verb("witness.add", url="https://witness.example.org", vkey=witness.verifier.vkey)
    assert hub.verb("witness.collect")["problems"] == []
    note = hub.client.get("/checkpoint").text
    verify_checkpoint(note, hub.hub.verifier)
    assert cosigned_at(note, witness.verifier) == 1_700_000_000


def test_a_log_with_a_name_of_another_kind_is_witnessed_and_its_contradiction_is_kept(hub: RunningHub) -> None:
    log = NoteVerifier("example.com/Log_42", KEY.public)
    hub.verb("witness.add-log", vkey=log.vkey)
    submit(hub, write_request(0, [], Checkpoint(log.name, 21, b"a" * 32).sign(KEY)))
    check_size(submit(hub, write_request(21, [], Checkpoint(log.name, 21, b"b" * 32).sign(KEY))), 21)
    (found,) = hub.verb("evidence.list")["evidence"]
    assert (found["about"], found["proven"]) == (log.name, True)


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\u202egro.doog", "x" * 201])
def test_a_log_or_a_witness_whose_name_is_no_name_is_not_added(hub: RunningHub, name: str) -> None:
    for verb, verifier in (
        ("witness.add-log", NoteVerifier(name, KEY.public)),
        ("witness.add", cosigner(name, KEY)),
    ):
        with pytest.raises(VerbError, match="printable"):
            hub.verb(verb, vkey=verifier.vkey, url="https://witness.example.org")


def test_a_log_that_signs_many_forks_does_not_fill_the_disk_and_what_is_open_keeps_no_proof_out(
    witness: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regional_hub.witness.MAX_EVIDENCE", 2)
    submit(witness, HONEST.request(0, 21))
    for size in range(22, 26):
        submit(witness, write_request(21, [], HONEST.checkpoint(size).sign(KEY)))
    for seed in range(4):
        submit(witness, write_request(21, [], Checkpoint(LOG.name, 21, bytes([seed]) * 32).sign(KEY)))
    kept = [item["proven"] for item in witness.verb("evidence.list")["evidence"]]
    assert sorted(kept) == [False, False, True, True]


def test_two_contents_of_a_key_that_was_rotated_since_are_exported_with_that_key(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign())
    check_problem(
        hub.post(city.sign(body=builders.practice_body(title="Another thing"), seq=city.seq)),
        ProblemCode.SEQ_CONFLICT,
        409,
    )
    former = city.key
    hub.rotate(city, key_of("new.leipzig.sn.de"))
    (found,) = hub.verb("evidence.list")["evidence"]
    verdict = judge(parse_evidence(json.dumps(hub.verb("evidence.export", id=found["id"])["file"]).encode()))
    assert (verdict.proven, verdict.fingerprint) == (True, former.public.fingerprint)


def test_two_contents_of_two_keys_are_refused_in_a_sentence(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign())
    hub.rotate(city, key_of("new.leipzig.sn.de"))
    other = city.sign(body=builders.practice_body(title="Another thing"), seq=city.seq)
    check_problem(hub.post(other), ProblemCode.SEQ_CONFLICT, 409)
    (found,) = hub.verb("evidence.list")["evidence"]
    with pytest.raises(VerbError, match="signed both"):
        hub.verb("evidence.export", id=found["id"])
