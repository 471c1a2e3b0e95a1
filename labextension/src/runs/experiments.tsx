import * as React from 'react';
import type { IExperiment } from '../tokens';
import { usePanel } from './context';
import type { IState } from './model';
import { MoreButton } from './more';

/** The experiments; the chosen one is current. */
export function ExperimentList(props: { state: IState }): React.JSX.Element {
  const { model, trans } = usePanel();
  const { experiments, search, selected } = props.state;
  if (experiments.rows?.length === 0 && search) {
    return <p className="jt-Hint">{trans.__('No experiment has this in its name.')}</p>;
  }
  return (
    <>
      <ul className="jt-List" aria-label={trans.__('Experiments')}>
        {experiments.rows?.map(experiment => (
          <li key={experiment.experiment_id}>
            <ExperimentItem
              experiment={experiment}
              current={experiment.experiment_id === selected?.experiment_id}
            />
          </li>
        ))}
      </ul>
      {experiments.next !== undefined && <MoreButton load={() => model.moreExperiments()} />}
    </>
  );
}

function ExperimentItem(props: { experiment: IExperiment; current: boolean }): React.JSX.Element {
  const { model } = usePanel();
  const { experiment, current } = props;
  return (
    <button
      type="button"
      className="jt-Item jt-Experiment"
      aria-current={current}
      title={experiment.name}
      onClick={() => void model.select(experiment)}
    >
      <span className="jt-Truncated">{experiment.name}</span>
    </button>
  );
}
