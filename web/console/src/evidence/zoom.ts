const LEVELS = [0.05, 0.1, 0.15, 0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4]

/** The next zoom level up (direction 1) or down (-1) from any scale; stays at the ends. */
export function zoomStep(scale: number, direction: 1 | -1): number {
  const near = 0.001
  if (direction === 1) return LEVELS.find((level) => level > scale + near) ?? LEVELS.at(-1)!
  return LEVELS.findLast((level) => level < scale - near) ?? LEVELS[0]!
}
