"""One exception for each kind of fault of the instrument.

A fault is never a verdict. It says that nothing was measured. Every message is one line with three parts, in this
order: the rule, what was found instead, and the remedy.
"""

from __future__ import annotations


class InstrumentFault(Exception):
    """The instrument could not measure. All other faults derive from this class."""

    def __init__(self, rule: str, got: object, remedy: str) -> None:
        super().__init__(f"{rule}; got {got}. {remedy}")


class UnknownModel(InstrumentFault):
    """The name is not a built-in subject, a readable local folder or a reachable hub repository."""


class ForeignCode(InstrumentFault):
    """The model cannot be loaded without running code that comes with it."""


class UnreadableWeights(InstrumentFault):
    """Weights are damaged, are missing, have another shape, or are in a format that may contain code."""


class TooFewHeads(InstrumentFault):
    """The model has fewer heads than the theory compares."""


class PromptTooLong(InstrumentFault):
    """A prompt has more tokens than the model has positions."""


class VocabularyTooSmall(InstrumentFault):
    """The tokenizer produces tokens for which the model has no embedding."""


class UnusableTemplate(InstrumentFault):
    """The chat template fails, or its text does not contain the user's message exactly once."""


class LayerOutOfRange(InstrumentFault):
    """The layer of interest does not exist in the model."""


class NoOffsets(InstrumentFault):
    """The tokenizer does not report which characters a token covers."""


class UnscorableTokens(InstrumentFault):
    """The two answers cannot be separated by their tokens, or the tokens of two prompts cannot be aligned.

    It is also raised for a category without a token whose prediction can be scored.
    """


class NoReadableAttention(InstrumentFault):
    """The attention probabilities of the model cannot be read or written."""


class NoSuchDevice(InstrumentFault):
    """The device does not exist, or the model does not fit on it."""


class SelfCheckFailed(InstrumentFault):
    """The instrument measured something that cannot be true."""


class DownloadFailed(InstrumentFault):
    """A file is not in the cache and cannot be downloaded."""


class DamagedFile(InstrumentFault):
    """A file does not have the required digest."""


class UnreadableReport(InstrumentFault):
    """A file must be a report, or another document of the suite, in the version of this suite."""


class OtherTheory(InstrumentFault):
    """Two documents belong to different theories, or to different versions of one theory."""


class OtherSubject(InstrumentFault):
    """The model is not the one that a report or a registration names."""


class UnwritableFolder(InstrumentFault):
    """A folder must be writable but is not."""


class NoAccess(InstrumentFault):
    """The service that hosts the model has no key of the user, or refuses it."""


class NotHosted(InstrumentFault):
    """The service does not host the model."""


class ConnectionLost(InstrumentFault):
    """The service cannot be reached, or the connection is lost in the middle of a run."""


class RemoteFailure(InstrumentFault):
    """The service could not run a request."""
