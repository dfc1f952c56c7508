"""The theory that numbers draw attention. It is an example; put the sentence of your theory here."""
