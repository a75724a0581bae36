"""Prio3SumVec: sums of vectors of counts that no single aggregator can take apart, and that no client can spoil.

A verifiable distributed aggregation function (VDAF) of draft-irtf-cfrg-vdaf-20, whose wire format is version 18. Names
are those of the draft, and every public function names its section. A client shards its measurement; each aggregator
verifies its share with one message to and fro, adds what it accepted, and only the sums of all aggregators together
say anything. Published test vectors fix every byte (`docs/sealed_totals.md` has the table).

    vdaf = Prio3SumVec.with_best_chunks(shares=2, length=40, max_measurement=1000)
    public_share, input_shares = vdaf.shard(ctx, counts, nonce, rand)                         # the client
    state, share = vdaf.verify_init(verify_key, ctx, agg_id, nonce, public_share, own_input)  # each aggregator
    message = vdaf.verifier_shares_to_message(ctx, [share_of_leader, share_of_helper])        # refuses a cheat
    out_share = vdaf.verify_next(ctx, state, message)
    agg_share = vdaf.agg_update(agg_share, out_share)
    totals = vdaf.unshard([agg_share_of_leader, agg_share_of_helper], num_measurements)

Rules of this package: the standard library alone; it opens nothing, reads no clock and draws no random number, so
`rand`, `nonce` and `verify_key` are handed in and must come from the system's generator. What the draft asks of the
caller stays with the caller: a nonce is used once, a report is verified once, cities never see the verification key.

Constant time is not claimed: Python's whole numbers take longer when they are larger. Whoever could measure that must
sit on the machine itself: a node shards on its own machine, where the counts lie anyway, and what a hub computes on is
a share, random digits to it. `docs/sealed_totals.md` says what is left.
"""
