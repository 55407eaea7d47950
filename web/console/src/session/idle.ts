/** How long the session still lasts without activity; what another tab does counts. */

const KEY = 'wj-session-seen'

export class IdleWatch {
  private limitS = 0
  private seenAt = 0

  /** The platform said how many seconds are left at this moment; the most ever said is the limit. */
  told(secondsLeft: number): void {
    this.limitS = Math.max(this.limitS, secondsLeft)
    this.seen()
  }

  seen(): void {
    this.seenAt = Date.now()
    localStorage.setItem(KEY, String(this.seenAt))
  }

  get limit(): number {
    return this.limitS
  }

  /** Seconds left at a time in milliseconds; Infinity while no limit is known. */
  left(now: number): number {
    if (!this.limitS) return Infinity
    const elsewhere = Number(localStorage.getItem(KEY) ?? 0)
    return this.limitS - (now - Math.max(this.seenAt, elsewhere)) / 1000
  }
}
