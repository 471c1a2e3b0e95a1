import { UseSignal } from '@jupyterlab/apputils';
import { InputGroup, refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { ShareButton } from '../sharing/button';
import { SharingContext, useSharingModel } from '../sharing/context';
import { type IPanelContext, PanelContext, usePanel } from './context';
import { ExperimentList } from './experiments';
import { ErrorLine } from './message';
import type { IState } from './model';
import { RunList } from './runs';

/** The whole panel: search box and refresh, experiments, runs of the chosen one. */
export function TrackingView(props: {
  context: IPanelContext;
  refresh: () => void;
}): React.JSX.Element {
  const { model } = props.context;
  return (
    <PanelContext.Provider value={props.context}>
      <UseSignal signal={model.changed}>
        {() => <Sections state={model.state} refresh={props.refresh} />}
      </UseSignal>
    </PanelContext.Provider>
  );
}

function Sections({ state, refresh }: { state: IState; refresh: () => void }): React.JSX.Element {
  const { client, model, trans } = usePanel();
  const { lost } = state;
  const sharing = useSharingModel(client, state.selected?.experiment_id, state.requested);
  return (
    <SharingContext.Provider value={sharing}>
      <Toolbar search={state.search} refresh={refresh} />
      {state.error !== undefined && <ErrorLine error={state.error} retry={refresh} />}
      {lost && <ErrorLine error={lost.error} retry={() => void model.follow(lost.link)} />}
      <section className="jt-Experiments">
        <h3>{trans.__('Experiments')}</h3>
        <ExperimentList state={state} />
      </section>
      <section className="jt-Runs">
        <h3 title={state.selected?.name}>
          {trans.__('Runs')}
          {state.selected && (
            <>
              <span className="jt-Truncated">{state.selected.name}</span>
              <ShareButton experimentName={state.selected.name} />
            </>
          )}
        </h3>
        <RunList key={state.selected?.experiment_id} state={state} />
      </section>
    </SharingContext.Provider>
  );
}

function Toolbar({ search, refresh }: { search: string; refresh: () => void }): React.JSX.Element {
  const { model, trans } = usePanel();
  return (
    <div className="jt-Toolbar" role="search">
      <InputGroup
        type="search"
        rightIcon="ui-components:search"
        placeholder={trans.__('Search experiments')}
        aria-label={trans.__('Search experiments')}
        value={search}
        onChange={event => void model.search(event.target.value)}
      />
      <button
        type="button"
        className="jt-IconButton"
        aria-label={trans.__('Refresh')}
        title={trans.__('Refresh')}
        onClick={refresh}
      >
        <refreshIcon.react tag="span" className="jt-Icon" />
      </button>
    </div>
  );
}
