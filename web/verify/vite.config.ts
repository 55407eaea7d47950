import { defineConfig } from 'vite'

// The page lives under /verify/ of the gateway; its service worker is built after it (vite.offline.config.ts).
export default defineConfig({
  base: '/verify/',
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
  worker: { format: 'es' },
  server: { proxy: { '/api': `http://127.0.0.1:${process.env.WANGJIAN_PORT ?? '8080'}` } },
})
