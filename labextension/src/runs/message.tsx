import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { TrackingError } from '../api/error';
import { usePanel } from './context';

/** One line that says what went wrong, and a button that tries again. */
export function ErrorLine(props: { error: unknown; retry: () => void }): React.JSX.Element {
  const { trans } = usePanel();
  return (
    <div className="jt-Error" role="alert">
      <span className="jt-Error-text">{errorText(props.error, trans)}</span>
      <button type="button" className="jt-Link" onClick={props.retry}>
        {trans.__('Retry')}
      </button>
    </div>
  );
}

export function errorText(error: unknown, trans: TranslationBundle): string {
  if (!(error instanceof TrackingError)) {
    return String(error);
  }
  switch (error.code) {
    case 'SERVER_HALF_MISSING':
      return trans.__(
        'This Jupyter Server has no tracking: run "jupyter server extension enable jupyter_tracking_server" and restart it.'
      );
    case 'UNREACHABLE':
      return trans.__('The Jupyter Server does not answer.');
    case 'UNEXPECTED_ANSWER':
      return trans.__('The server gave an answer that is not understood (%1).', error.message);
    case 'DELETED':
      return trans.__('"%1" was deleted.', error.message);
    default:
      return error.message;
  }
}
