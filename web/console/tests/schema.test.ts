import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import { expect, it } from 'vitest'

it('uses the types of the committed openapi.json', async () => {
  const file = join(import.meta.dirname, '../openapi.json')
  const generated = COMMENT_HEADER + astToString(await openapiTS(JSON.parse(readFileSync(file, 'utf8'))))
  expect(readFileSync(join(import.meta.dirname, '../src/api/schema.d.ts'), 'utf8')).toBe(generated)
}, 20_000)
