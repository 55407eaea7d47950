/** Groups of violations an officer files a clue under (codes of the keyword library). */
export const VIOLATIONS = Array.from({ length: 20 }, (_, n) => `K${String(n + 1).padStart(2, '0')}`)
