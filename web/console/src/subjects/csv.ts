/**
 * Rows as CSV (RFC 4180) with a byte order mark, so that Excel reads the Chinese. A cell a spreadsheet would run as a
 * formula gets an apostrophe in front (OWASP: CSV injection).
 */
export function csvOf(rows: string[][]): string {
  const cell = (value: string): string => {
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return `\uFEFF${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`
}
