"""`python -m infra.custodian`: serve a custodian, show its identity, accept a log (docs/custodian.md)."""

import argparse
import gc
import json
import sys

from infra.custodian.clients import CLIENT_NAME, Client
from infra.custodian.identity import load_or_create
from infra.custodian.service import create_app
from infra.custodian.settings import CustodianSettings
from infra.listening import serve_app
from services.common.settings import Settings, get_settings
from services.evidence.log.notes import NoteError, parse_vkey

# New objects between two collections: more than a package makes.
_OBJECTS = 50_000


def main(argv: list[str]) -> int:
    """Run the command. Gives the exit code: 0 done, 2 wrong call."""
    parser = argparse.ArgumentParser(prog="python -m infra.custodian", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve (the default)")
    commands.add_parser("identity", help="print the identity file that clients pin")
    accept = commands.add_parser("accept-log", help="witness one more log of a client from now on")
    accept.add_argument("vkey", help="the log's key as in the client's trust file, compared by people first")
    accept.add_argument("--client", default="", help="which client; default the one at /v1")
    given = parser.parse_args(argv)
    settings, own = get_settings(), CustodianSettings()
    if given.command == "identity":
        print(json.dumps(load_or_create(own.folder(settings), own).description(), ensure_ascii=False))
        return 0
    if given.command == "accept-log":
        return _accept(settings, own, given.vkey, given.client)
    app = create_app(settings, own)
    # What is loaded now stays: the collector need not look at it again, nor in the middle of each package.
    gc.freeze()
    gc.set_threshold(_OBJECTS)
    serve_app(app, own.address(settings), certificate=own.tls_certificate, key=own.tls_key)
    return 0


def _accept(settings: Settings, own: CustodianSettings, vkey: str, name: str) -> int:
    folder = own.folder(settings)
    place = folder / "clients" / name if name else folder
    try:
        key = parse_vkey(vkey)
    except NoteError as error:
        print(f"custodian: {error}", file=sys.stderr)
        return 2
    if (name and not CLIENT_NAME.fullmatch(name)) or not (place / "trust.json").exists():
        print(f"custodian: {place / 'trust.json'} is not there: no such client yet", file=sys.stderr)
        return 2
    Client(place, load_or_create(folder, own), None).accept(key)
    print(f"accepted {key.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
