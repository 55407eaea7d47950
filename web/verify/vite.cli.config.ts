import { defineConfig } from 'vite'

// The same verifier for Node: one file without dependencies, for tests and measurements.
export default defineConfig({
  build: {
    ssr: 'src/cli/main.ts',
    outDir: 'dist-cli',
    target: 'node20',
    minify: false,
    rollupOptions: { output: { entryFileNames: 'cli.js', format: 'es' } },
  },
  ssr: { noExternal: true },
})
