"""The right verdicts on models whose truth is known, with the reasons. Every claim must have an entry in EXPECTED."""

from __future__ import annotations

from claims.expectations import GroundTruth, expect

MODELS = {
    "planted": "The heads of the layer of interest prefer numbers to other tokens.",
    "planted:layer=1": "These heads are in layer 1. The heads of the layer of interest attend evenly.",
    "random": "Random weights follow no theory.",
}

EXPECTED = {
    "X1": expect(refuted=["planted:layer=1"], unsupported=["random"]),
}

TRUTH = GroundTruth(MODELS, EXPECTED, seeded=("random",))
