/** How long links live. Everything here is pure. */

import type { TranslationBundle } from '@jupyterlab/translation';

const MINUTE = 60 * 1000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param left - milliseconds */
export function leftText(left: number, trans: Pick<TranslationBundle, '_n'>): string {
  if (left > 2 * DAY - HOUR) {
    const days = Math.round(left / DAY);
    return trans._n('%1 day left', '%1 days left', days);
  }
  if (left > 2 * HOUR) {
    const hours = Math.round(left / HOUR);
    return trans._n('%1 hour left', '%1 hours left', hours);
  }
  const minutes = Math.max(1, Math.round(left / MINUTE));
  return trans._n('%1 minute left', '%1 minutes left', minutes);
}
