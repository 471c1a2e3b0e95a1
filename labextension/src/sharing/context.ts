import * as React from 'react';
import { type IRights, SharingModel } from './model';

/** Who may do what in the chosen experiment; null where none is chosen. */
export const SharingContext = React.createContext<SharingModel | null>(null);

/** @param revision - it is read again when this changes */
export function useSharingModel(
  rights: IRights,
  experimentId: string | undefined,
  revision: number
): SharingModel | null {
  const model = React.useMemo(
    () => (experimentId === undefined ? null : new SharingModel(rights, experimentId)),
    [rights, experimentId]
  );
  React.useEffect(() => {
    void model?.load();
  }, [model, revision]);
  return model;
}
