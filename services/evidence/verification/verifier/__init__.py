"""The offline verifier of Wangjian evidence packages: standard library, `cryptography`, `tongsuopy` for SM2.

It opens no network connection and no database, needs nothing of the rest of the project (this folder can be
copied out and imported alone), and trusts nothing from the package itself: every key and certificate comes
from the trust file of whoever runs it. Absence is failure. A package is VALID only when all checks of
`report.STEPS` pass; each has a stable code. Formats: ZIP (APPNOTE 6.3.10), WACZ 1.1.1, in-toto Statement v1
in RFC 8785 JSON inside DSSE v1, RFC 3161 tokens, RFC 4998 records, RFC 6962 trees with C2SP notes and proofs.

What costs most and depends on its arguments alone (signatures, the manifest's form) is remembered by all of
them when it passed, a few at a time: whoever saw these very bytes before verifies a package in half the time.

How to read it, in this order: `strict` (how hostile text is read), `tree` (Merkle trees), `container` (the
ZIP), `package` (what is known of it), `manifest`, `signatures`, `contents`, `timestamps`, `renewal`, `log`
(the checks), `report` (the list of checks, and `verify`), `excerpts` (single artefacts and custody events).
"""

from .container import is_package
from .contents import REQUIRED
from .excerpts import CUSTODY, DISCLOSURE
from .manifest import parse_manifest
from .report import (
    CUSTODY_STEPS,
    DISCLOSURE_STEPS,
    NOT_CHECKED,
    STEPS,
    verify,
    verify_custody,
    verify_disclosure,
)
from .strict import Failed, Unreadable, canonical, moment
from .trust import read_trust

__all__ = [
    "CUSTODY",
    "CUSTODY_STEPS",
    "DISCLOSURE",
    "DISCLOSURE_STEPS",
    "NOT_CHECKED",
    "REQUIRED",
    "STEPS",
    "Failed",
    "Unreadable",
    "canonical",
    "is_package",
    "moment",
    "parse_manifest",
    "read_trust",
    "verify",
    "verify_custody",
    "verify_disclosure",
]
