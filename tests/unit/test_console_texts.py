"""The console's texts, as the library that shows them reads them."""

import json
import subprocess

import pytest

from tests.console_desk import CONSOLE
from tests.security.test_evidence_differential import node

# A bare | parts a plural's forms, a bare @ names another text: shown as they are they stand in {'…'}.
_COMPILE = """
import { baseCompile } from '@intlify/message-compiler'
let given = ''
for await (const part of process.stdin) given += part
const faults = []
const read = (value, name) => {
  const onError = (error) => faults.push(`${name}: ${error.message}`)
  if (typeof value === 'string') baseCompile(value, { onError })
  else for (const [key, inner] of Object.entries(value)) read(inner, `${name}.${key}`)
}
read(JSON.parse(given), 'texts')
console.log(JSON.stringify(faults))
"""


def faults(texts: str) -> list[str]:
    command = [node(), "--input-type=module", "-e", _COMPILE]
    run = subprocess.run(command, cwd=CONSOLE, input=texts, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_text_can_be_read(language: str) -> None:
    assert faults((CONSOLE / "src" / "i18n" / f"{language}.json").read_text(encoding="utf-8")) == []


def test_negative_control_a_bare_bar_cannot() -> None:
    assert faults('{"bar": "竖线 |"}') == ["texts.bar: Plural must have messages"]
