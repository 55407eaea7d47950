import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { defineConfig } from 'vite'

// The service worker knows the names of all files of the page, so it is built when they are there.
const folder = new URL('dist/', import.meta.url).pathname
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name !== 'offline.js')
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  .sort()
const digest = createHash('sha256')
for (const file of files) digest.update(file).update(readFileSync(join(folder, file)))

export default defineConfig({
  publicDir: false,
  define: {
    FILES: JSON.stringify(files.map((file) => (file === 'index.html' ? './' : `./${file}`))),
    VERSION: JSON.stringify(digest.digest('hex').slice(0, 16)),
  },
  build: {
    target: 'es2022',
    emptyOutDir: false,
    reportCompressedSize: false,
    rollupOptions: { input: 'src/page/offline.ts', output: { entryFileNames: 'offline.js', format: 'es' } },
  },
})
