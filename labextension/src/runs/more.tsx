import * as React from 'react';
import { usePanel } from './context';

/** Loads the next page; cannot be pressed again before it came. */
export function MoreButton(props: { load: () => Promise<void> }): React.JSX.Element {
  const { trans } = usePanel();
  const [busy, setBusy] = React.useState(false);
  const load = (): void => {
    setBusy(true);
    void props.load().finally(() => {
      setBusy(false);
    });
  };
  return (
    <button type="button" className="jt-Link jt-More" disabled={busy} onClick={load}>
      {trans.__('Load more')}
    </button>
  );
}
