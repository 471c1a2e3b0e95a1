/** How values read in the panel. Everything here is pure. */

import type { IMetric, IRun, WireNumber } from '../tokens';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const IMAGE = /\.(avif|bmp|gif|jpe?g|png|svg|webp)$/i;

/** A larger picture is linked, not loaded. Bytes. */
const IMAGE_LIMIT = 8 * 1024 * 1024;

/** Four significant digits for a fraction, all digits for a whole number a person can read. */
export function numberText(value: WireNumber): string {
  if (typeof value === 'string') {
    return value === 'NaN' ? 'NaN' : value.replace('Infinity', '∞');
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) {
    return String(value);
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    return value.toExponential(2);
  }
  return String(Number(value.toPrecision(4)));
}

/** @param milliseconds - not negative */
export function durationText(milliseconds: number): string {
  if (milliseconds < SECOND) {
    return `${Math.round(milliseconds)} ms`;
  }
  if (milliseconds < MINUTE) {
    return `${Math.floor(milliseconds / 100) / 10} s`;
  }
  if (milliseconds < HOUR) {
    return `${Math.floor(milliseconds / MINUTE)} min ${Math.floor((milliseconds % MINUTE) / SECOND)} s`;
  }
  return `${Math.floor(milliseconds / HOUR)} h ${Math.floor((milliseconds % HOUR) / MINUTE)} min`;
}

/** @param bytes - not negative */
export function sizeText(bytes: number): string {
  let size = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (size < 1000) {
      return `${size < 10 && unit !== 'B' ? size.toFixed(1) : Math.round(size)} ${unit}`;
    }
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/**
 * The server's filter for names that contain `text`, in any case; empty text gives no filter.
 *
 * A quoted string has no escapes: the quote that the text does not contain surrounds it, and text
 * with both matches any character where the single quotes are.
 */
export function nameFilter(text: string): string {
  const wanted = text.trim();
  if (!wanted) {
    return '';
  }
  if (!wanted.includes("'")) {
    return `name ILIKE '%${wanted}%'`;
  }
  return wanted.includes('"')
    ? `name ILIKE '%${wanted.replaceAll("'", '_')}%'`
    : `name ILIKE "%${wanted}%"`;
}

/** The first few metrics by name, for one line. */
export function firstMetrics(run: IRun, count: number): IMetric[] {
  return sortedByKey(run.data?.metrics ?? []).slice(0, count);
}

export function sortedByKey<T extends { readonly key: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Whether more may still be logged to the run. */
export function isLive(run: IRun): boolean {
  return run.info.status === 'RUNNING' || run.info.status === 'SCHEDULED';
}

export function runName(run: IRun): string {
  return run.info.run_name ?? run.info.run_id.slice(0, 8);
}

export function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function isPreviewed(path: string, bytes: number | undefined): boolean {
  return IMAGE.test(path) && (bytes ?? 0) <= IMAGE_LIMIT;
}
