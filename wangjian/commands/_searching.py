"""`wangjian registry search`: subjects and shops of the running platform, by any part of what they show."""

from typing import Annotated, Any

import typer

from wangjian.commands._running import run


def search(
    text: Annotated[
        str, typer.Argument(help="名称、号码、联系方式、地址或域名的任意部分 any part of what is shown")
    ],
    limit: Annotated[
        int, typer.Option(min=1, max=50, help="主体与网店各最多几条 at most so many of each")
    ] = 10,
    region: Annotated[str | None, typer.Option(help="区划代码 a division and what lies below it")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """查找主体与网店；联系方式脱敏，查找留有审计。Find subjects and shops; masked and audited."""
    from pydantic import ValidationError

    from services.registry.searches.schemas import AnyIn

    try:
        given = AnyIn(q=text, limit=limit, region=region)
    except ValidationError as error:
        where = ", ".join(str(part) for one in error.errors() for part in one["loc"])
        typer.echo(f"wangjian: 参数无效 not valid: {where}", err=True)
        raise typer.Exit(2) from error
    found = run(_found(given))
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
        return
    _print("主体 subjects", found.subjects, found.subjects_more)
    _print("网店 shops", found.presences, found.presences_more)


async def _found(given: Any) -> Any:
    from services.common.audit import record
    from services.common.database import Database
    from services.common.personal_keys import personal_data
    from services.registry.bootstrap import local_operator
    from services.registry.searches.service import find
    from wangjian.commands._settings import load

    database = Database(load().database_url("registry"), "registry")
    try:
        personal, claims = await personal_data(database), local_operator()
        async with database.transaction() as session:
            await record(
                session, claims, event="registry.searched", object_type="registry", object_id="search"
            )
            return await find(session, personal, claims, given)
    finally:
        await database.close()


def _print(heading: str, rows: list[Any], more: bool) -> None:
    typer.echo(f"{heading}: {len(rows)}{'+' if more else ''}")
    for row in rows:
        beside = (getattr(row, "platform", None), row.licence, row.phone, row.region_code)
        typer.echo("  " + "  ".join([row.id, row.name, *[cell for cell in beside if cell]]))
