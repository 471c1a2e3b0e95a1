/** Grants as values, and how they read. Everything here is pure. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { IGrant, ISubject, Role } from '../tokens';

/** What turns a sentence into the user's language. */
type Words = Pick<TranslationBundle, '__'>;

export const ROLES: readonly Role[] = ['reader', 'editor', 'owner'];

/** A change of who may do what. */
export interface IChange {
  readonly subject: ISubject;
  /** The subject's new role; undefined takes the one it has. */
  readonly role?: Role | undefined;
}

/** Tells subjects apart. */
export function subjectKey({ kind, name }: ISubject): string {
  return `${kind}:${name}`;
}

/** The grants after a change; a subject that has none yet comes last. */
export function changed(grants: readonly IGrant[], { subject, role }: IChange): readonly IGrant[] {
  const key = subjectKey(subject);
  if (role === undefined) {
    return grants.filter(grant => subjectKey(grant) !== key);
  }
  const given = { kind: subject.kind, name: subject.name, role };
  return grants.some(grant => subjectKey(grant) === key)
    ? grants.map(grant => (subjectKey(grant) === key ? given : grant))
    : [...grants, given];
}

/** Those of `grants` that are for others than the user alone. */
export function others(grants: readonly IGrant[], user: string): readonly IGrant[] {
  return grants.filter(({ kind, name }) => kind !== 'user' || name !== user);
}

export function subjectText({ kind, name }: ISubject, trans: Words): string {
  switch (kind) {
    case 'user':
      return name;
    case 'group':
      return trans.__('Group %1', name);
    case 'everyone':
      return trans.__('Everyone');
  }
}

export function roleText(role: Role, trans: Words): string {
  switch (role) {
    case 'reader':
      return trans.__('Reader');
    case 'editor':
      return trans.__('Editor');
    case 'owner':
      return trans.__('Owner');
  }
}

/** Who beside the user sees an experiment, in one sentence. */
export function seenByText(grants: readonly IGrant[], user: string, trans: Words): string {
  const rest = others(grants, user);
  if (rest.length === 0) {
    return trans.__('Only you see this experiment');
  }
  const names = rest.map(
    grant => `${subjectText(grant, trans)} (${roleText(grant.role, trans).toLowerCase()})`
  );
  return trans.__('Also seen by %1', names.join(', '));
}
