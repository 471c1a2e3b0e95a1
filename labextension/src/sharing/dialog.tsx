import { Dialog, ReactWidget, UseSignal } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { errorText } from '../runs/message';
import type { IGrant, ISubject, Role } from '../tokens';
import { AddForm } from './form';
import { subjectKey, subjectText } from './grants';
import type { SharingModel } from './model';
import { RoleMenu } from './roles';

/** Show who may do what in an experiment, and let its owner change that. */
export function openSharing(
  sharing: SharingModel,
  experimentName: string,
  trans: TranslationBundle
): void {
  const body = ReactWidget.create(
    <UseSignal signal={sharing.changed}>
      {() => <Sharing sharing={sharing} trans={trans} />}
    </UseSignal>
  );
  body.addClass('jt-Sharing');
  const dialog = new SharingDialog({
    title: trans.__('Share "%1"', experimentName),
    body,
    buttons: [Dialog.okButton({ label: trans.__('Done') })],
    focusNodeSelector: '.jt-Sharing-name'
  });
  void dialog.launch();
}

/** Lab's dialog takes Enter and the arrows for its own buttons; here what is in it needs them. */
class SharingDialog extends Dialog<unknown> {
  protected override _evtKeydown(event: KeyboardEvent): void {
    const target = event.target instanceof Element ? event.target : null;
    if (event.key === 'Escape' || !target?.closest('.jt-Sharing')) {
      super._evtKeydown(event);
    }
  }
}

interface ISharingProps {
  sharing: SharingModel;
  trans: TranslationBundle;
}

function Sharing({ sharing, trans }: ISharingProps): React.JSX.Element {
  const { grants, identity, refused, role } = sharing.state;
  const nameInput = React.useRef<HTMLInputElement>(null);
  const complaint = (key: string): React.JSX.Element | null =>
    refused?.key === key ? (
      <p className="jt-Error jt-Error-text" role="alert">
        {errorText(refused.error, trans)}
      </p>
    ) : null;
  const shown = grants.some(grant => subjectKey(grant) === refused?.key);
  const give = (subject: ISubject, given: Role): Promise<boolean> => sharing.give(subject, given);
  return (
    <>
      <ul className="jt-List" aria-label={trans.__('Who may do what')}>
        {grants.map(grant => (
          <li key={subjectKey(grant)}>
            <GrantRow
              grant={grant}
              trans={trans}
              locked={role !== 'owner'}
              give={given => {
                void give(grant, given);
              }}
              take={() => {
                void sharing.take(grant);
                // The button that has the focus goes.
                nameInput.current?.focus();
              }}
            />
            {complaint(subjectKey(grant))}
          </li>
        ))}
      </ul>
      {role === 'owner' ? (
        <AddForm give={give} groups={identity?.groups ?? []} nameInput={nameInput} trans={trans} />
      ) : (
        <p className="jt-Hint">{trans.__('Only owners change who sees this experiment.')}</p>
      )}
      {refused && !shown && complaint(refused.key)}
    </>
  );
}

interface IGrantRowProps {
  grant: IGrant;
  trans: TranslationBundle;
  /** Nothing can be changed. */
  locked: boolean;
  give: (role: Role) => void;
  take: () => void;
}

function GrantRow({ grant, trans, locked, give, take }: IGrantRowProps): React.JSX.Element {
  const subject = subjectText(grant, trans);
  return (
    <div className="jt-Grant">
      <span className="jt-Truncated" title={subject}>
        {subject}
      </span>
      <RoleMenu
        label={trans.__('Role of %1', subject)}
        role={grant.role}
        disabled={locked}
        choose={give}
        trans={trans}
      />
      <button
        type="button"
        className="jt-IconButton"
        disabled={locked}
        aria-label={trans.__('Remove %1', subject)}
        title={trans.__('Remove %1', subject)}
        onClick={take}
      >
        <closeIcon.react tag="span" className="jt-Icon" />
      </button>
    </div>
  );
}
