"""One hub's secrets for a batch, and its sum: what it accepted, added up, and its noise on top."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from shared_schema.errors import SchemaError
from shared_schema.sealed import hpke, noise
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.terms import BatchTerms, HubPart
from shared_schema.vdaf.field128 import MODULUS, Vector
from shared_schema.vdaf.messages import encode_agg_share

SECRETS_SIZE: Final = hpke.SEED_SIZE + noise.SEED_SIZE


@dataclass(frozen=True, slots=True)
class HubSecrets:
    """What a hub makes for one batch. The key is destroyed when the batch has ended; the seed stays for its auditor."""

    key: hpke.PrivateKey = field(repr=False)
    noise_seed: bytes = field(repr=False)

    @classmethod
    def from_randomness(cls, randomness: bytes) -> "HubSecrets":
        """Raises SchemaError unless there are SECRETS_SIZE bytes."""
        if len(randomness) != SECRETS_SIZE:
            raise SchemaError(f"expected {SECRETS_SIZE} random bytes, got {len(randomness)}")
        return cls(hpke.PrivateKey.from_seed(randomness[: hpke.SEED_SIZE]), randomness[hpke.SEED_SIZE :])

    def part_of(self, name: str, operator: str) -> HubPart:
        """What the other hub and the cities may see of it. Raises SchemaError for a name or an operator of no form."""
        return HubPart.from_object(
            {
                "name": name,
                "operator": operator,
                "hpke_key": base64.b64encode(self.key.public).decode(),
                "noise_seed": sha256(self.noise_seed).hexdigest(),
            }
        )


def verify_key_info(terms: BatchTerms) -> bytes:
    """What the verification key is sealed for on its way from helper to leader: these terms."""
    return b"prevention-exchange verification key v1 " + sha256(terms.to_bytes()).digest()


def noise_of(batch: AgreedBatch, seed: bytes) -> list[int]:
    """The noise that a hub with this seed adds in this batch, one number for each cell."""
    plan = batch.plan
    return noise.draw_noise(seed, batch.context, cells=len(plan.cells), epsilon_milli=plan.epsilon_milli)


def noisy_sum(batch: AgreedBatch, seed: bytes, out_shares: Iterable[Sequence[int]]) -> bytes:
    """The sum of what was accepted, with the noise, as bytes that can be published: alone they are random digits."""
    total: Vector = batch.vdaf.merge(map(list, out_shares))
    noisy = [(share + drawn) % MODULUS for share, drawn in zip(total, noise_of(batch, seed), strict=True)]
    return encode_agg_share(noisy)
