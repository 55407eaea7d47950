"""流程 workflow: what a state machine is, as data, and the one pure decision about a step.

Laws of `decide`, for every machine, state, action and caller:
- an action the machine does not know is refused as `workflow.unknown_action` (422);
- an action that does not start at the state is refused as `workflow.illegal_transition` (409);
- a caller without the permission is refused as `identity.forbidden` (403), one whose authority does not
  stand in the needed relation to the object as `workflow.not_yours` (403);
- a missing required field is refused as `workflow.field_missing` (422), a value that is none of a field's
  choices as `workflow.choice_unknown` (422);
- otherwise exactly one transition is given back. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from services.common.problems import Problem


@dataclass(frozen=True, slots=True)
class State:
    """One state with its names; a final state has no way out."""

    code: str
    zh: str
    en: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values a field of kind `choice` takes."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Field:
    """A value a step takes; `kind` tells a screen what to show (text, organisation, choice)."""

    name: str
    zh: str
    en: str
    kind: str = "text"
    required: bool = True
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """One step: from which states to which, who may, what must be given, and the article it rests on.

    `relation` is how the caller's authority must stand to the object; the machine names its relations.

    `verified` is False where the article was cited from memory and must be read again before it is relied on.
    """

    action: str
    zh: str
    en: str
    sources: tuple[str, ...]
    target: str
    permission: str
    relation: str
    article: str
    verified: bool
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """A named set of states and transitions. `version` names the procedure a running object follows.

    `relations` names (zh, en) how an authority can stand to the object.
    """

    name: str
    version: str
    zh: str
    en: str
    initial: str
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    relations: Mapping[str, tuple[str, str]] = field(default_factory=dict, hash=False)

    def state(self, code: str) -> State:
        """The state with this code. Raises KeyError when the machine has none."""
        for state in self.states:
            if state.code == code:
                return state
        raise KeyError(code)

    def from_state(self, state: str) -> tuple[Transition, ...]:
        """Transitions that start at a state, in declared order."""
        return tuple(t for t in self.transitions if state in t.sources)

    def problems(self) -> list[str]:
        """What is wrong with the declaration; empty for a sound machine."""
        known = {s.code for s in self.states}
        found = [
            f"{t.action}: unknown state {s}"
            for t in self.transitions
            for s in (*t.sources, t.target)
            if s not in known
        ]
        seen: set[tuple[str, str]] = set()
        for transition in self.transitions:
            for source in transition.sources:
                if (source, transition.action) in seen:
                    found.append(f"{transition.action}: twice from {source}")
                seen.add((source, transition.action))
        for state in self.states:
            leaves = bool(self.from_state(state.code))
            if leaves == state.final:
                found.append(f"{state.code}: final={state.final} but {'has' if leaves else 'no'} way out")
        reached = {self.initial}
        while more := {t.target for t in self.transitions if set(t.sources) & reached} - reached:
            reached |= more
        return found + [f"{code}: cannot be reached" for code in sorted(known - reached)]


@dataclass(frozen=True, slots=True)
class Caller:
    """What counts of the caller for one object."""

    permissions: frozenset[str]
    relations: frozenset[str]

    def may(self, transition: Transition) -> bool:
        """Whether the caller could take this step."""
        return transition.permission in self.permissions and transition.relation in self.relations


def allowed(machine: Machine, state: str, caller: Caller) -> tuple[Transition, ...]:
    """The steps this caller can take now."""
    return tuple(t for t in machine.from_state(state) if caller.may(t))


def decide(
    machine: Machine, state: str, action: str, caller: Caller, given: Mapping[str, str | None]
) -> Transition:
    """The transition for an action, or a Problem as the module's laws say."""
    if all(t.action != action for t in machine.transitions):
        _refuse_unknown(machine, action)
    transition = next((t for t in machine.from_state(state) if t.action == action), None)
    if transition is None:
        raise Problem(
            "workflow.illegal_transition",
            409,
            zh=f"{machine.zh}当前为“{machine.state(state).zh}”，不能执行该操作",
            en=f"the {machine.en} is {machine.state(state).en.lower()}: this step is not possible now",
            todo_zh="请刷新后从可执行的操作中选择",
            todo_en="reload and choose one of the possible steps",
            extra={"state": state, "allowed": describe(allowed(machine, state, caller))},
        )
    _check_caller(machine, state, transition, caller)
    _check_fields(transition, given)
    return transition


def _refuse_unknown(machine: Machine, action: str) -> NoReturn:
    raise Problem(
        "workflow.unknown_action",
        422,
        zh=f"{machine.zh}没有这一操作",
        en=f"a {machine.en} knows no such step",
        todo_zh="请从可执行的操作中选择",
        todo_en="choose one of the possible steps",
        extra={"action": action[:40], "known": sorted({t.action for t in machine.transitions})},
    )


def _check_caller(machine: Machine, state: str, transition: Transition, caller: Caller) -> None:
    possible = {"state": state, "allowed": describe(allowed(machine, state, caller))}
    if transition.permission not in caller.permissions:
        raise Problem(
            "identity.forbidden",
            403,
            zh="您没有执行此操作的权限",
            en="you do not have the permission for this",
            todo_zh="如需办理，请向安全管理员申请权限：" + transition.permission,
            todo_en="ask the security administrator for: " + transition.permission,
            extra=possible,
        )
    if transition.relation not in caller.relations:
        zh, en = machine.relations[transition.relation]
        raise Problem(
            "workflow.not_yours",
            403,
            zh=f"此操作由{zh}办理",
            en=f"this step is for {en}",
            todo_zh="请联系该单位办理",
            todo_en="ask that authority",
            extra=possible,
        )


def _check_fields(transition: Transition, given: Mapping[str, str | None]) -> None:
    missing = [f for f in transition.fields if f.required and not (given.get(f.name) or "").strip()]
    if missing:
        raise Problem(
            "workflow.field_missing",
            422,
            zh="请填写：" + "、".join(f.zh for f in missing),
            en="please give: " + ", ".join(f.en.lower() for f in missing),
            todo_zh="填写后重新提交",
            todo_en="fill it in and send again",
            extra={"fields": [f.name for f in missing]},
        )
    for one in transition.fields:
        value = given.get(one.name)
        if one.choices and value and value not in {c.code for c in one.choices}:
            raise Problem(
                "workflow.choice_unknown",
                422,
                zh=f"{one.zh}不在可选范围内",
                en=f"{one.en.lower()} is none of the choices",
                todo_zh="请从所列选项中选择",
                todo_en="choose one of those listed",
                extra={"fields": [one.name], "choices": [c.code for c in one.choices]},
            )


def describe(transitions: tuple[Transition, ...]) -> list[dict[str, object]]:
    """Transitions as the API shows them: action, names, target, article, fields."""
    return [
        {
            "action": t.action,
            "zh": t.zh,
            "en": t.en,
            "target": t.target,
            "article": t.article,
            "fields": [
                {
                    "name": f.name,
                    "zh": f.zh,
                    "en": f.en,
                    "kind": f.kind,
                    "required": f.required,
                    "choices": [{"code": c.code, "zh": c.zh, "en": c.en} for c in f.choices],
                }
                for f in t.fields
            ],
        }
        for t in transitions
    ]
