import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Role } from '../tokens';
import { ROLES, roleText } from './grants';

interface IRoleMenuProps {
  label: string;
  role: Role;
  disabled?: boolean;
  choose: (role: Role) => void;
  trans: TranslationBundle;
}

/** A menu of the three roles. */
export function RoleMenu(props: IRoleMenuProps): React.JSX.Element {
  const { label, role, disabled = false, choose, trans } = props;
  return (
    <select
      className="jt-Select"
      aria-label={label}
      value={role}
      disabled={disabled}
      onChange={event => {
        choose(ROLES[event.target.selectedIndex] ?? role);
      }}
    >
      {ROLES.map(name => (
        <option key={name} value={name}>
          {roleText(name, trans)}
        </option>
      ))}
    </select>
  );
}
