import { Time } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { statusIcons } from '../icons';
import type { IRun, RunStatus } from '../tokens';
import { usePanel } from './context';
import { RunDetails } from './details';
import { firstMetrics, numberText, runName } from './format';
import { type IState, withRow } from './model';
import { MoreButton } from './more';
import { useScrolledTo } from './scroll';

const METRICS_IN_ROW = 3;

/** The runs of the chosen experiment. */
export function RunList(props: { state: IState }): React.JSX.Element | null {
  const { model, trans } = usePanel();
  const { runs, linked, open, followed } = props.state;
  const rows = withRow(runs.rows, linked, run => run.info.run_id);
  if (rows === undefined) {
    return null;
  }
  if (rows.length === 0) {
    return <NoRuns />;
  }
  return (
    <>
      <ul className="jt-List" aria-label={trans.__('Runs')}>
        {rows.map(run => (
          <li key={run.info.run_id}>
            <RunItem
              run={run}
              open={open.has(run.info.run_id)}
              link={run.info.run_id === linked?.info.run_id ? followed : 0}
            />
            {open.has(run.info.run_id) && <RunDetails run={run} state={props.state} />}
          </li>
        ))}
      </ul>
      {runs.next !== undefined && <MoreButton load={() => model.moreRuns()} />}
    </>
  );
}

interface IRunItemProps {
  run: IRun;
  open: boolean;
  /** Which link led here; 0 for none. */
  link: number;
}

function RunItem({ run, open, link }: IRunItemProps): React.JSX.Element {
  const { model } = usePanel();
  const { run_id, start_time } = run.info;
  return (
    <button
      ref={useScrolledTo(link, 'start')}
      type="button"
      className="jt-Item jt-Run"
      aria-expanded={open}
      onClick={() => {
        model.toggle(run_id);
      }}
    >
      <caretRightIcon.react tag="span" className="jt-Caret" />
      <StatusIcon status={run.info.status} />
      <span className="jt-Run-name jt-Truncated" title={runName(run)}>
        {runName(run)}
      </span>
      {start_time !== undefined && (
        <time
          className="jt-Run-time"
          dateTime={new Date(start_time).toISOString()}
          title={Time.format(new Date(start_time))}
        >
          {Time.formatHuman(new Date(start_time), 'short')}
        </time>
      )}
      <RunMetrics run={run} />
    </button>
  );
}

function RunMetrics({ run }: { run: IRun }): React.JSX.Element | null {
  const metrics = firstMetrics(run, METRICS_IN_ROW);
  if (metrics.length === 0) {
    return null;
  }
  return (
    <span className="jt-Run-metrics">
      {metrics.map(metric => (
        <span key={metric.key} className="jt-Run-metric jt-Truncated">
          {metric.key} <b>{numberText(metric.value)}</b>
        </span>
      ))}
    </span>
  );
}

function StatusIcon({ status }: { status: RunStatus }): React.JSX.Element {
  const { trans } = usePanel();
  const icon = statusIcons[status];
  const text = statusText(status, trans);
  return (
    <span className="jt-Status" data-status={status} role="img" aria-label={text} title={text}>
      <icon.react tag={null} />
    </span>
  );
}

function statusText(status: RunStatus, trans: TranslationBundle): string {
  switch (status) {
    case 'RUNNING':
      return trans.__('Running');
    case 'SCHEDULED':
      return trans.__('Scheduled');
    case 'FINISHED':
      return trans.__('Finished');
    case 'FAILED':
      return trans.__('Failed');
    case 'KILLED':
      return trans.__('Killed');
  }
}

function NoRuns(): React.JSX.Element {
  const { trans } = usePanel();
  return (
    <div className="jt-Hint">
      <p>{trans.__('No runs here yet. Type this in a notebook cell to log the first one:')}</p>
      <pre className="jt-Code">%track_param a 1</pre>
    </div>
  );
}
