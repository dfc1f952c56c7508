"""One exception for each way in which the instrument can fail.

A fault is never a verdict: it says that nothing was measured. Every message is one line of three
parts, in this order: the rule, what was got instead, and the remedy.
"""

from __future__ import annotations


class InstrumentFault(Exception):
    """Something kept the instrument from measuring."""

    def __init__(self, rule: str, got: object, remedy: str) -> None:
        super().__init__(f"{rule}; got {got}. {remedy}")


class UnknownModel(InstrumentFault):
    """The name is neither a built-in subject, a local folder nor a reachable hub repository."""


class ForeignCode(InstrumentFault):
    """The model could only be loaded by running code that comes with it."""


class UnreadableWeights(InstrumentFault):
    """Weights are damaged, missing, of another shape or in a format that may hold code."""


class TooFewHeads(InstrumentFault):
    """The model has fewer than two heads, so even and odd ones cannot be compared."""


class PromptTooLong(InstrumentFault):
    """A prompt has more tokens than the model has positions."""


class VocabularyTooSmall(InstrumentFault):
    """The tokenizer makes tokens for which the model has no embedding."""


class UnusableTemplate(InstrumentFault):
    """The chat template fails, or does not contain the user's message exactly once."""


class LayerOutOfRange(InstrumentFault):
    """The layer of interest does not exist in the model."""


class NoOffsets(InstrumentFault):
    """The tokenizer cannot tell which characters a token covers."""


class UnscorableTokens(InstrumentFault):
    """The two answers cannot be told apart after a common prefix of tokens."""


class NoReadableAttention(InstrumentFault):
    """The attention probabilities of the model cannot be read or written."""


class NoSuchDevice(InstrumentFault):
    """The device is not there, or the model does not fit on it."""


class SelfCheckFailed(InstrumentFault):
    """The instrument measured something that cannot be true."""


class DownloadFailed(InstrumentFault):
    """A file is neither cached nor reachable."""


class DamagedFile(InstrumentFault):
    """A file does not have the digest that it must have."""


class UnwritableFolder(InstrumentFault):
    """A folder that must be written cannot be."""
