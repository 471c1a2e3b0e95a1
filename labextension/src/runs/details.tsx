import { Time } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ShareLinks } from '../sharing/links';
import type { IKeyValue, IRun } from '../tokens';
import { ArtifactFolder } from './artifacts';
import { usePanel } from './context';
import { durationText, isLive, numberText, runName, sortedByKey } from './format';
import type { IState } from './model';

/** Tags that clients write by themselves begin so; those worth reading are shown as facts. */
const SYSTEM_TAG = /^(mlflow|jupyter)\./;

/** What one run logged. */
export function RunDetails({ run, state }: { run: IRun; state: IState }): React.JSX.Element {
  const { trans } = usePanel();
  const data = run.data ?? {};
  const metrics = sortedByKey(data.metrics ?? []).map(metric => ({
    key: metric.key,
    value: numberText(metric.value)
  }));
  const tags = (data.tags ?? []).filter(tag => !SYSTEM_TAG.test(tag.key));
  return (
    <div className="jt-Details" role="group" aria-label={runName(run)}>
      <Table caption={trans.__('Metrics')} rows={metrics} numeric />
      <Table caption={trans.__('Parameters')} rows={sortedByKey(data.params ?? [])} />
      <Table caption={trans.__('Tags')} rows={sortedByKey(tags)} />
      <section className="jt-Section">
        <h4>{trans.__('Artifacts')}</h4>
        <ArtifactFolder
          runId={run.info.run_id}
          path=""
          revision={isLive(run) ? state.refreshes + state.requested : state.requested}
        />
      </section>
      <Table caption={trans.__('Run')} rows={facts(run, trans)} />
      <ShareLinks runId={run.info.run_id} />
    </div>
  );
}

interface ITableProps {
  caption: string;
  rows: readonly IKeyValue[];
  numeric?: boolean;
}

function Table({ caption, rows, numeric = false }: ITableProps): React.JSX.Element | null {
  if (rows.length === 0) {
    return null;
  }
  return (
    <section className="jt-Section">
      <table className="jt-Table">
        <caption>{caption}</caption>
        <tbody>
          {rows.map(row => (
            <tr key={row.key}>
              <th scope="row">{row.key}</th>
              <td className={numeric ? 'jt-mod-number' : ''}>
                <div className="jt-Value">{row.value}</div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function facts(run: IRun, trans: TranslationBundle): IKeyValue[] {
  const { run_id, start_time, end_time } = run.info;
  const tag = (name: string): string | undefined =>
    run.data?.tags?.find(item => item.key === `mlflow.${name}`)?.value;
  const rows: [string, string | undefined][] = [
    [trans.__('Id'), run_id],
    [trans.__('Started'), start_time === undefined ? undefined : Time.format(new Date(start_time))],
    [
      trans.__('Duration'),
      start_time === undefined || end_time === undefined
        ? undefined
        : durationText(Math.max(0, end_time - start_time))
    ],
    [trans.__('User'), tag('user')],
    [trans.__('Source'), tag('source.name')]
  ];
  return rows.flatMap(([key, value]) => (value ? [{ key, value }] : []));
}
