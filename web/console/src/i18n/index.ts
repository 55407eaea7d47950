import { createI18n } from 'vue-i18n'
import en from './en.json'
import zh from './zh.json'

export type Locale = 'zh-CN' | 'en'
const KEY = 'wj-locale'

function remembered(): Locale {
  return localStorage.getItem(KEY) === 'en' ? 'en' : 'zh-CN'
}

export const i18n = createI18n({
  legacy: false,
  locale: remembered(),
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': zh, en },
  // A missing text is a defect: the browser tests fail on this line in the console.
  missing: (locale, key) => { console.error(`i18n: no text for "${key}" in ${locale}`) },
})

export function setLocale(locale: Locale): void {
  i18n.global.locale.value = locale
  localStorage.setItem(KEY, locale)
  document.documentElement.lang = locale
}

export const currentLocale = (): Locale => i18n.global.locale.value as Locale

/** Choose the Chinese or English member of a text the platform sent in both. */
export function inLocale(text: { zh?: string; en?: string }, locale: string): string {
  return (locale.startsWith('en') ? text.en || text.zh : text.zh || text.en) ?? ''
}
