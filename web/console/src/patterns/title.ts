import { onMounted, watchEffect } from 'vue'
import { useI18n } from 'vue-i18n'

/** Keep the window's title: what is shown, then the product's name. */
export function useTitle(title: () => string): void {
  const { t } = useI18n()
  onMounted(() => watchEffect(() => {
    const text = title()
    document.title = text ? `${text} - ${t('frame.brand')}` : t('frame.brand')
  }))
}
