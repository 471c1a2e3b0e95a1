import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { TrackingClient } from '../api/client';
import type { RunsModel } from './model';

/** What every part of the panel may need. */
export interface IPanelContext {
  readonly model: RunsModel;
  readonly client: TrackingClient;
  readonly trans: TranslationBundle;
}

export const PanelContext = React.createContext<IPanelContext | null>(null);

export function usePanel(): IPanelContext {
  const context = React.useContext(PanelContext);
  if (!context) {
    throw new Error('A part of the Tracking panel was rendered outside it');
  }
  return context;
}
