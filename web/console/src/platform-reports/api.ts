import { call, get, post, send } from '@/api/http'
import type { components } from '@/api/schema'
import type { Page } from '@/api/types'
import { saveAs } from '@/patterns/files'

type Schema = components['schemas']

export type ReportRow = Schema['PlatformReportRow']
export type Report = Schema['PlatformReportOut']
export type Due = Schema['ReportsDue']
export type ReceiptKey = Schema['ReportReceiptKey']
export type ReceiptCheck = Schema['ReportReceiptOut']

export const listReports = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<ReportRow>> => get('/platform-reports', query, signal)
export const readDue = (signal?: AbortSignal): Promise<Due> => get('/platform-reports/due', undefined, signal)
export const readReport = (id: string, signal?: AbortSignal): Promise<Report> => get(`/platform-reports/${id}`, undefined, signal)
export const checkReceipt = (receipt: unknown): Promise<ReceiptCheck> => post('/platform-reports/receipt-check', { receipt })

export function sendReport(file: File, platform: string, period: string): Promise<Report> {
  const body = new FormData()
  body.set('file', file)
  body.set('platform', platform)
  body.set('period', period)
  return call('POST', '/platform-reports', { body })
}

/** One of a report's files: receipt, errors, original. */
export async function takeFile(id: string, part: 'receipt' | 'errors' | 'original', name: string): Promise<void> {
  saveAs(await (await send('GET', `/platform-reports/${id}/${part}`)).blob(), name)
}
