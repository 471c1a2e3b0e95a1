import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ISubject, Role, SubjectKind } from '../tokens';
import { RoleMenu } from './roles';

const KINDS: readonly SubjectKind[] = ['user', 'group', 'everyone'];
const OWN_GROUPS = 'jt-own-groups';

interface IAddFormProps {
  give: (subject: ISubject, role: Role) => Promise<boolean>;
  /** Those that the user is in, to choose from. */
  groups: readonly string[];
  nameInput: React.RefObject<HTMLInputElement>;
  trans: TranslationBundle;
}

/** One line that gives somebody a role. */
export function AddForm({ give, groups, nameInput, trans }: IAddFormProps): React.JSX.Element {
  const [kind, setKind] = React.useState<SubjectKind>('user');
  const [name, setName] = React.useState('');
  const [role, setRole] = React.useState<Role>('reader');
  const everyone = kind === 'everyone';
  const add = async (): Promise<void> => {
    const asked = name;
    if (await give({ kind, name: everyone ? '' : asked.trim() }, role)) {
      // Unless the next name has been typed meanwhile.
      setName(current => (current === asked ? '' : current));
    }
  };
  return (
    <form
      className="jt-AddForm"
      aria-label={trans.__('Give a role')}
      onSubmit={event => {
        event.preventDefault();
        void add();
      }}
    >
      <select
        className="jt-Select"
        aria-label={trans.__('To whom')}
        value={kind}
        onChange={event => {
          setKind(KINDS[event.target.selectedIndex] ?? kind);
        }}
      >
        {KINDS.map(each => (
          <option key={each} value={each}>
            {kindText(each, trans)}
          </option>
        ))}
      </select>
      <input
        ref={nameInput}
        className="jt-Input jt-Sharing-name"
        aria-label={trans.__('Name')}
        placeholder={everyone ? trans.__('All who can sign in') : trans.__('Name')}
        autoComplete="off"
        spellCheck={false}
        required={!everyone}
        // Not disabled: what is focused must stay so.
        readOnly={everyone}
        maxLength={255}
        list={kind === 'group' ? OWN_GROUPS : undefined}
        value={everyone ? '' : name}
        onChange={event => {
          setName(event.target.value);
        }}
      />
      <datalist id={OWN_GROUPS}>
        {groups.map(group => (
          <option key={group} value={group} />
        ))}
      </datalist>
      <RoleMenu label={trans.__('Role')} role={role} choose={setRole} trans={trans} />
      <button type="submit" className="jt-Button">
        {trans.__('Add')}
      </button>
    </form>
  );
}

function kindText(kind: SubjectKind, trans: TranslationBundle): string {
  switch (kind) {
    case 'user':
      return trans.__('User');
    case 'group':
      return trans.__('Group');
    case 'everyone':
      return trans.__('Everyone');
  }
}
