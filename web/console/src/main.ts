import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { connectSession } from './api/http'
import App from './App.vue'
import { currentLocale, i18n, setLocale } from './i18n'
import { createConsoleRouter } from './router'
import { useSession } from './session/store'
import 'element-plus/theme-chalk/base.css'
import './styles/tokens.css'
import './styles/base.css'

const app = createApp(App)
app.use(createPinia())
app.use(i18n)
setLocale(currentLocale())

const session = useSession()
connectSession({
  csrfToken: () => session.session?.csrf_token ?? '',
  locale: currentLocale,
  signInAgain: session.signInAgain,
  refresh: session.load,
  seen: session.seen,
})
window.setInterval(() => session.tick(Date.now()), 1000)

app.use(createConsoleRouter(session))
app.mount('#app')
