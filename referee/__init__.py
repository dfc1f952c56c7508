"""An instrument that tests theories about the attention of language models. It contains no theory.

Data flows in one direction: models → prompts → attention → measuring → judging. A module imports only modules of its
own folder and of the folders before it.
"""
