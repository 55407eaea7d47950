"""信任文件 the trust file: the public keys `wangjian verify` needs"""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def trust() -> None:
    """信任文件:离线核验所需的公钥与证书。The trust file: public keys and certificates for offline checks."""


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="写入文件(默认标准输出)write to a file")] = None,
) -> None:
    """由本平台(WANGJIAN_HOME)的公钥文件生成,运行与否均可。Made from the public key files, running or not."""
    from services.evidence.settings import EvidenceSettings
    from services.evidence.verification.trust import (
        TrustMissingError,
        build_trust,
        dump_trust,
        write_trust,
    )
    from wangjian.commands._settings import load

    try:
        document = build_trust(load(), EvidenceSettings())
        if out is None:
            sys.stdout.write(dump_trust(document).decode())
            return
        write_trust(out, document)
    except TrustMissingError as error:
        print(
            f"wangjian: 缺少公钥文件 missing key file: {error}(先运行 make up / run make up first)",
            file=sys.stderr,
        )
        raise typer.Exit(2) from error
    except OSError as error:
        print(f"wangjian: 无法写入 cannot write {out}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(2) from error
    for role in ("worker_keys", "sealing_keys"):
        for key in document[role]:
            over = "  已吊销 revoked" if key["revoked_at"] else "  已停用 ended" if key["not_after"] else ""
            print(f"{role[:-1]:<12} {key['keyid']}{over}", file=sys.stderr)
    for log in document["logs"]:
        print(f"{'log':<12} {log['vkey']}", file=sys.stderr)
    print(f"已写入 written {out}  ({document['label']['zh']} / {document['label']['en']})", file=sys.stderr)
