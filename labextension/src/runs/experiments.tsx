import * as React from 'react';
import type { IExperiment } from '../tokens';
import { usePanel } from './context';
import { type IState, withRow } from './model';
import { MoreButton } from './more';
import { useScrolledTo } from './scroll';

/** The experiments; the chosen one is current. */
export function ExperimentList(props: { state: IState }): React.JSX.Element {
  const { model, trans } = usePanel();
  const { experiments, followed, search, selected } = props.state;
  if (experiments.rows?.length === 0 && search) {
    return <p className="jt-Hint">{trans.__('No experiment has this in its name.')}</p>;
  }
  const rows = withRow(experiments.rows, search ? undefined : selected, row => row.experiment_id);
  return (
    <>
      <ul className="jt-List" aria-label={trans.__('Experiments')}>
        {rows?.map(experiment => (
          <li key={experiment.experiment_id}>
            <ExperimentItem
              experiment={experiment}
              current={experiment.experiment_id === selected?.experiment_id}
              followed={followed}
            />
          </li>
        ))}
      </ul>
      {experiments.next !== undefined && <MoreButton load={() => model.moreExperiments()} />}
    </>
  );
}

interface IExperimentItemProps {
  experiment: IExperiment;
  current: boolean;
  followed: number;
}

function ExperimentItem(props: IExperimentItemProps): React.JSX.Element {
  const { model } = usePanel();
  const { experiment, current, followed } = props;
  return (
    <button
      ref={useScrolledTo(current ? followed : 0, 'nearest')}
      type="button"
      className="jt-Item jt-Experiment"
      aria-current={current}
      title={experiment.owner ? `${experiment.name} · ${experiment.owner}` : experiment.name}
      onClick={() => void model.select(experiment)}
    >
      <span className="jt-Truncated">{experiment.name}</span>
      {experiment.owner && <span className="jt-Owner">{experiment.owner}</span>}
    </button>
  );
}
