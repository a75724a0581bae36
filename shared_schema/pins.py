"""The key that a reader has pinned for a hub, and those it had pinned before.

A person compared the first fingerprint. From then on the pin moves by itself, and only along rotations that the hub has
signed with the pinned key and the next one: when the reader finds the announcement in the log, or, after a long
absence, in the chain that the hub shows. Receipts of the time before stay valid, up to the announcement's place.

    pin = pin.announced(rotation, index)
    pin.verify_receipt(receipt, digest)
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.entry import Receipt
from shared_schema.errors import VerificationError
from shared_schema.feed import verify_receipt
from shared_schema.keys import PublicKey
from shared_schema.problem import ProblemCode
from shared_schema.rotation import KeyRotation, trace_back, verify_chain


@dataclass(frozen=True, slots=True)
class FormerPin:
    """A key that was the hub's until the entry `until` of its log; 0 while that entry has not been read."""

    verifier: NoteVerifier
    until: int = 0


@dataclass(frozen=True, slots=True)
class Pin:
    """The key that speaks for a hub now, and the ones before it, oldest first."""

    verifier: NoteVerifier
    former: tuple[FormerPin, ...] = ()

    @property
    def name(self) -> str:
        return self.verifier.name

    @property
    def first_key(self) -> PublicKey:
        """The key with which the hub's log began, as far as this reader knows."""
        return self.keys[0]

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """All keys, the newest last."""
        return (*(pin.verifier.key for pin in self.former), self.verifier.key)

    def announced(self, rotation: KeyRotation, index: int) -> "Pin":
        """The pin after a rotation, which has been verified, was read at `index` of the hub's log."""
        if rotation.old == self.verifier.key:
            return self.move(rotation.new, index)
        former = tuple(replace(pin, until=index) if pin.verifier.key == rotation.old else pin for pin in self.former)
        return replace(self, former=former)

    def move(self, key: PublicKey, until: int = 0) -> "Pin":
        """The pin on `key`, to which the pinned one has handed over."""
        former = (*self.former, FormerPin(self.verifier, until))
        return Pin(NoteVerifier(self.name, key), former)

    def follow_chain(self, chain: Sequence[object]) -> "Pin":
        """The pin moved along what a hub shows; the same pin when nothing there leads on from it.

        Raises ContractError when something in it does not verify.
        """
        pin = self
        for rotation in verify_chain(chain, name=self.name, key=self.verifier.key):
            pin = pin.move(rotation.new)
        return pin

    def verify_receipt(self, receipt: Receipt, digest: str) -> Checkpoint:
        """As `feed.verify_receipt`, also for a receipt from the time of a former key.

        Raises VerificationError (code `receipt`).
        """
        try:
            return verify_receipt(receipt, digest, self.verifier)
        except VerificationError:
            for pin in self.former:
                checkpoint = _find_checkpoint(receipt, digest, pin.verifier)
                if checkpoint is not None and checkpoint.size <= pin.until:
                    return checkpoint
            raise

    def former_text(self) -> str:
        """The former keys as they are stored."""
        return json.dumps([{"vkey": pin.verifier.vkey, "until": pin.until} for pin in self.former])

    @classmethod
    def from_texts(cls, vkey: str, former: str) -> "Pin":
        """The inverse of `verifier.vkey` and `former_text`. Raises MalformedError for a wrong vkey."""
        pins = [FormerPin(NoteVerifier.from_vkey(each["vkey"]), each["until"]) for each in json.loads(former)]
        return cls(NoteVerifier.from_vkey(vkey), tuple(pins))

    @classmethod
    def with_history(cls, verifier: NoteVerifier, chain: Sequence[object]) -> "Pin":
        """A new pin on `verifier`, with the keys that handed over to it. Raises ContractError."""
        earlier = trace_back(chain, name=verifier.name, key=verifier.key)
        return cls(verifier, tuple(FormerPin(NoteVerifier(verifier.name, key)) for key in earlier))


def _find_checkpoint(receipt: Receipt, digest: str, verifier: NoteVerifier) -> Checkpoint | None:
    try:
        return verify_receipt(receipt, digest, verifier)
    except VerificationError as error:
        if error.code is not ProblemCode.RECEIPT:
            raise
        return None
