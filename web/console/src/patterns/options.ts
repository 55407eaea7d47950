export interface PickOption {
  value: string
  label: string
  note?: string
  disabled?: boolean
}

export interface OptionGroup {
  label: string
  options: PickOption[]
}

/** Groups with the options whose label, note or group holds every typed word; empty groups fall away. */
export function matching(groups: OptionGroup[], typed: string): OptionGroup[] {
  const words = typed.trim().toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return groups
  return groups
    .map((group) => ({
      ...group,
      options: group.options.filter((option) => {
        const text = `${option.label} ${option.note ?? ''} ${group.label}`.toLowerCase()
        return words.every((word) => text.includes(word))
      }),
    }))
    .filter((group) => group.options.length > 0)
}
