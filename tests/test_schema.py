"""The schema of report.json."""

from __future__ import annotations

import hashlib
import json
import re

from reports import document, models


def test_the_schema_is_printed(capsys):
    """Every field is required, other fields are not allowed, and fields have descriptions."""
    document.main(["--schema"])

    printed = json.loads(capsys.readouterr().out)
    fields = re.sub(r'"(description|title)": "[^"]*",? ?', "", json.dumps(printed, sort_keys=True))
    digest = hashlib.sha256(fields.encode()).hexdigest()[:12]
    assert (models.SCHEMA_VERSION, digest) == (10, "1a21ecd9ef15"), "other fields need another version of the schema"
    assert printed == models.schema()
    for described in (printed, *printed["$defs"].values()):
        if described["type"] == "object":
            assert set(described["required"]) == set(described["properties"])
            assert not described["additionalProperties"]
    assert printed["$defs"]["Estimate"]["properties"]["n"]["description"].startswith("Number of independent units.")
