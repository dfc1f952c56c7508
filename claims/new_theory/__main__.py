"""Lays out a new theory: a folder in claims/ with one claim, one experiment and its ground truth. All of it works.

python -m claims.new_theory NAME        makes claims/NAME/
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from pathlib import Path

from fixtures.discovery import folder_of, theories
from referee.errors import InstrumentFault

TEMPLATE = Path(__file__).parent / "template"
_PACKAGE, _ID, _TITLE = "new_theory.template", "X1", "Name of the Theory"
"""What the template has in the place of the name, of the claim's id, and of the theory's title."""
_LONGEST = 30
"""The largest number of characters of a name. With a longer name, some lines of the template would be too long."""
_WORDS = {"headline", "control"}
"""Words by which -k selects claims of any theory."""
_EVERYWHERE = ("claims", "test", "py")
"""Words in the names of the files of all claims. With a part of one, -k selects every claim."""


class UnusableName(InstrumentFault):
    """The name cannot be the name of a new theory."""


def require_usable(name: str) -> None:
    """Raises UnusableName if a new theory cannot have this name."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or len(name) > _LONGEST:
        raise UnusableName(
            f"The name of a theory must be a Python identifier of at most {_LONGEST} lower-case letters, digits and"
            " underscores, and no keyword",
            repr(name),
            "Choose another name.",
        )
    if folder_of(name).exists() or folder_of(name).with_suffix(".py").exists():
        raise UnusableName("The name of a theory must be new in claims/", repr(name), "Choose another name.")
    everywhere = {word for word in _EVERYWHERE if name in word}
    if found := sorted(everywhere | {word for word in selecting_words() if word in name or name in word}):
        raise UnusableName(
            "The name of a theory must not contain a word by which -k finds other claims, or be a part of one",
            f"{name!r}, and -k finds claims by {', '.join(map(repr, found))}",
            "Choose another name.",
        )


def selecting_words() -> set[str]:
    """Returns the words by which -k finds claims of the theories in claims/, in lower case."""
    found = {*_WORDS, *theories()}
    for theory in theories().values():
        found |= {*theory.words.values(), *(claim.id for claim in theory.claims)}
    return {word.lower() for word in found}


def new_id(name: str) -> str:
    """Returns an id for the first claim: as few first letters of the name as possible, and a number.

    No other claim's id contains it or is a part of it, because -k finds parts of words.
    """
    ids = [claim.id.lower() for theory in theories().values() for claim in theory.claims]
    return next(found for found in _ids(name) if not _overlaps(found.lower(), ids))


def _ids(name: str) -> Iterator[str]:
    letters = re.sub(r"[^a-z]", "", name).upper()
    yield from (f"{letters[:length]}1" for length in range(1, len(letters) + 1))
    yield from (f"{letters}{number}" for number in count(2))


def _overlaps(found: str, ids: Collection[str]) -> bool:
    return any(found in other or other in found for other in ids)


def lay_out(name: str) -> tuple[str, list[Path]]:
    """Makes the folder of a new theory. Returns the id of its claim, and the files.

    The files are written to a folder that is no theory, and moved when all are there. Raises UnusableName, and OSError
    if the folder cannot be written.
    """
    require_usable(name)
    claim_id, target = new_id(name), folder_of(name)
    with tempfile.TemporaryDirectory(prefix=".new_theory-", dir=target.parent) as folder:
        made = Path(folder) / name
        for source in sorted(TEMPLATE.rglob("*.py")):
            file = made / source.relative_to(TEMPLATE)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_filled(source.read_text(encoding="utf-8"), name, claim_id), encoding="utf-8")
        made.rename(target)
    return claim_id, sorted(target.rglob("*.py"))


def _filled(text: str, name: str, claim_id: str) -> str:
    """Returns a file of the template with the name, the id and the title of the theory."""
    text = text.replace(_PACKAGE, name).replace(_TITLE, name.replace("_", " ").capitalize())
    text = re.sub(rf"\b{_ID}\b", claim_id, text)
    return re.sub(r"(?:^from claims\..*\n)+", _in_order, text, flags=re.MULTILINE)


def _in_order(imports: re.Match[str]) -> str:
    """Returns lines of imports in the order of their modules, which depends on the name of the theory."""
    return "".join(sorted(imports[0].splitlines(keepends=True), key=str.split))


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the folder and says what is in it. Returns 2 and prints one line if the name cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m claims.new_theory", description="Lays out a new theory.")
    parser.add_argument("name", metavar="NAME", help="the name of its folder in claims/, for example my_theory")
    name = parser.parse_args(arguments).name
    try:
        claim_id, files = lay_out(name)
    except InstrumentFault as fault:
        print(fault, file=sys.stderr)
        return 2
    except OSError as problem:
        print(f"claims/ must be writable; got {problem}. Correct its permissions.", file=sys.stderr)
        return 2
    print(f"Made claims/{name}/ with {len(files)} files: the claim {claim_id}, its experiment and its ground truth.")
    print("docs/extending.md says what each file does. The claim stands in theory.py, in its test, in worlds.py and in")
    print("ground_truth.py: change them together. This command judges it as it is:")
    print(f"pytest claims/{name} --model planted --profile quick")
    return 0


if __name__ == "__main__":
    sys.exit(main())
