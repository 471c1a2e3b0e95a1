import { UseSignal } from '@jupyterlab/apputils';
import { lockIcon, usersIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { usePanel } from '../runs/context';
import { SharingContext } from './context';
import { openSharing } from './dialog';
import { others, seenByText } from './grants';
import type { SharingModel } from './model';

/** Who else sees the experiment; for its owner, a button that changes that. */
export function ShareButton(props: { experimentName: string }): React.JSX.Element | null {
  const sharing = React.useContext(SharingContext);
  return (
    sharing && (
      <UseSignal signal={sharing.changed}>
        {() => <SeenBy sharing={sharing} experimentName={props.experimentName} />}
      </UseSignal>
    )
  );
}

function SeenBy(props: {
  sharing: SharingModel;
  experimentName: string;
}): React.JSX.Element | null {
  const { trans } = usePanel();
  const { identity, role, grants } = props.sharing.state;
  if (!identity?.rights || role === undefined) {
    return null;
  }
  const text = seenByText(grants, identity.user, trans);
  const icon = others(grants, identity.user).length > 0 ? usersIcon : lockIcon;
  if (role !== 'owner') {
    return (
      <span className="jt-SeenBy" role="img" aria-label={text} title={text}>
        <icon.react tag="span" className="jt-Icon" />
      </span>
    );
  }
  return (
    <button
      type="button"
      className="jt-IconButton"
      aria-label={trans.__('Share')}
      title={`${trans.__('Share')}: ${text}`}
      onClick={() => {
        openSharing(props.sharing, props.experimentName, trans);
      }}
    >
      <icon.react tag="span" className="jt-Icon" />
    </button>
  );
}
