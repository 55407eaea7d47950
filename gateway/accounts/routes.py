"""HTTP of accounts and roles."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from gateway.accounts.organisations import Organisations
from gateway.accounts.schemas import (
    NewUser,
    OneTimePassword,
    Reason,
    RolesGiven,
    RoleView,
    UserView,
)
from gateway.accounts.service import Accounts, Staff, role_views
from services.common.identity import Claims, require, require_any
from services.common.paging import Page

router = APIRouter(prefix="/api", tags=["账号 accounts"])

MayList = Annotated[Claims, Depends(require_any("user:manage", "role:grant"))]
MayManage = Annotated[Claims, Depends(require("user:manage"))]
MayGrant = Annotated[Claims, Depends(require("role:grant"))]


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


Service = Annotated[Accounts, Depends(_accounts)]


@router.get("/users")
async def list_users(
    accounts: Service,
    claims: MayList,
    q: Annotated[str | None, Query(max_length=80)] = None,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[UserView]:
    """Accounts of the caller's region 账号列表."""
    return await accounts.list_users(claims, q=q, cursor=cursor, limit=limit)


@router.post("/users", status_code=201)
async def create_user(
    body: NewUser, request: Request, accounts: Service, claims: MayManage
) -> OneTimePassword:
    """Make an account without roles 新建账号 (系统管理员)."""
    organisations: Organisations = request.app.state.organisations
    staff = Staff(body.username, body.display_name, body.org_code, await organisations.named(body.org_code))
    return await accounts.create(claims, staff)


@router.post("/users/{user_id}/password-reset")
async def reset_password(user_id: str, accounts: Service, claims: MayManage) -> OneTimePassword:
    """A new one-time password 重置口令."""
    return await accounts.reset_password(claims, user_id)


@router.post("/users/{user_id}/disable")
async def disable(user_id: str, body: Reason, accounts: Service, claims: MayManage) -> UserView:
    """Disable an account and end its sessions 停用账号."""
    return await accounts.set_disabled(claims, user_id, disabled=True, reason=body.reason)


@router.post("/users/{user_id}/enable")
async def enable(user_id: str, body: Reason, accounts: Service, claims: MayManage) -> UserView:
    """Enable a disabled account 启用账号."""
    return await accounts.set_disabled(claims, user_id, disabled=False, reason=body.reason)


@router.put("/users/{user_id}/roles")
async def set_roles(user_id: str, body: RolesGiven, accounts: Service, claims: MayGrant) -> UserView:
    """Give a person exactly these roles 授予角色 (安全管理员)."""
    return await accounts.set_roles(claims, user_id, frozenset(body.roles))


@router.get("/roles")
async def list_roles(_: MayList) -> list[RoleView]:
    """All roles with their permissions 角色列表."""
    return role_views()
