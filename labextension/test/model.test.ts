import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPageRequest } from '../src/api/client';
import { TrackingError } from '../src/api/error';
import { type IReads, PAGE, RunsModel, withRow } from '../src/runs/model';
import type {
  IExperiment,
  IExperimentPage,
  IExperimentReply,
  IRun,
  IRunPage,
  IRunReply
} from '../src/tokens';

function run(experimentId: string, index: number, deleted = false): IRun {
  return {
    info: {
      run_id: `${experimentId}-${index}`,
      experiment_id: experimentId,
      status: 'FINISHED',
      lifecycle_stage: deleted ? 'deleted' : 'active'
    }
  };
}

const absent = (id: string): TrackingError =>
  new TrackingError('RESOURCE_DOES_NOT_EXIST', `no ${id}`);

/** A server with some experiments, each with so many runs; a page token is an offset. */
class Shelf implements IReads {
  readonly asked: (string | number)[] = [];
  readonly deleted = new Set<string>();
  failing = false;

  constructor(private readonly _counts: Record<string, number>) {}

  getExperiment(experimentId: string): Promise<IExperimentReply> {
    return experimentId in this._counts
      ? Promise.resolve({ experiment: { experiment_id: experimentId, name: experimentId } })
      : Promise.reject(absent(experimentId));
  }

  getRun(runId: string): Promise<IRunReply> {
    const [experimentId = '', index] = runId.split('-');
    return Number(index) < (this._counts[experimentId] ?? 0)
      ? Promise.resolve({ run: run(experimentId, Number(index), this.deleted.has(runId)) })
      : Promise.reject(absent(runId));
  }

  searchExperiments(filter: string, page: IPageRequest): Promise<IExperimentPage> {
    this.asked.push(filter);
    if (this.failing) {
      return Promise.reject(new Error('down'));
    }
    const wanted = /%(.*)%/.exec(filter)?.[1] ?? '';
    const rows: IExperiment[] = Object.keys(this._counts)
      .filter(name => name.includes(wanted))
      .map(name => ({ experiment_id: name, name }));
    return Promise.resolve({ experiments: rows.slice(0, page.maxResults) });
  }

  searchRuns(experimentId: string, page: IPageRequest): Promise<IRunPage> {
    this.asked.push(page.maxResults);
    const count = this._counts[experimentId] ?? 0;
    const start = Number(page.pageToken ?? 0);
    const end = Math.min(start + page.maxResults, count);
    const runs = Array.from({ length: end - start }, (_, index) =>
      run(experimentId, start + index)
    );
    return Promise.resolve(end < count ? { runs, next_page_token: String(end) } : { runs });
  }
}

const ids = (model: RunsModel): string[] => (model.state.runs.rows ?? []).map(r => r.info.run_id);

void test('the first experiment is chosen and its runs come', async () => {
  const model = new RunsModel(new Shelf({ iris: 2, moons: 1 }));
  await model.refresh();
  assert.equal(model.state.selected?.name, 'iris');
  assert.deepEqual(ids(model), ['iris-0', 'iris-1']);
});

void test('more runs are appended, and a refresh keeps them', async () => {
  const shelf = new Shelf({ iris: PAGE + 7 });
  const model = new RunsModel(shelf);
  await model.refresh();
  assert.equal(ids(model).length, PAGE);
  await model.moreRuns();
  assert.equal(new Set(ids(model)).size, PAGE + 7);
  assert.equal(model.state.runs.next, undefined);
  await model.refresh();
  assert.equal(ids(model).length, PAGE + 7);
  assert.equal(shelf.asked.at(-1), PAGE + 7);
});

void test('an answer for an experiment no longer chosen is dropped', async () => {
  const model = new RunsModel(new Shelf({ iris: 1, moons: 1 }));
  await model.refresh();
  const refreshed = model.refresh();
  const chosen = model.select({ experiment_id: 'moons', name: 'moons' });
  await Promise.all([refreshed, chosen]);
  assert.deepEqual(ids(model), ['moons-0']);
});

void test('a search narrows the list and keeps the chosen experiment', async () => {
  const model = new RunsModel(new Shelf({ iris: 1, moons: 1 }));
  await model.refresh();
  await model.search('moo');
  assert.deepEqual(
    model.state.experiments.rows?.map(row => row.name),
    ['moons']
  );
  assert.equal(model.state.selected?.name, 'iris');
});

void test('of letters typed faster than the server answers, only the last text is asked for', async () => {
  const shelf = new Shelf({ iris: 1, moons: 1 });
  const model = new RunsModel(shelf);
  await Promise.all(['m', 'mo', 'moo'].map(text => model.search(text)));
  assert.deepEqual(shelf.asked, ["name ILIKE '%moo%'"]);
});

void test('a chosen experiment that is gone gives way to the first', async () => {
  const model = new RunsModel(new Shelf({ iris: 1 }));
  await model.select({ experiment_id: 'old', name: 'old' });
  await model.refresh();
  assert.equal(model.state.selected?.name, 'iris');
});

void test('a failure is kept, thrown to the poll, and cleared by the next answer', async () => {
  const shelf = new Shelf({ iris: 1 });
  shelf.failing = true;
  const model = new RunsModel(shelf);
  await assert.rejects(model.refresh(), /down/);
  assert.match(String(model.state.error), /down/);
  shelf.failing = false;
  await model.refresh();
  assert.equal(model.state.error, undefined);
});

void test('a link chooses its experiment and opens its run, which every refresh keeps', async () => {
  const model = new RunsModel(new Shelf({ iris: 1, moons: 2 * PAGE }));
  await model.refresh();
  const id = `moons-${PAGE + 3}`;
  await model.follow({ experimentId: 'moons', runId: id });
  for (let look = 0; look < 2; look++) {
    assert.equal(model.state.selected?.name, 'moons');
    assert.deepEqual([...model.state.open], [id]);
    const { runs, linked } = model.state;
    const listed = withRow(runs.rows, linked, row => row.info.run_id) ?? [];
    assert.equal(listed[0]?.info.run_id, id);
    assert.equal(listed.length, PAGE + 1);
    await model.refresh();
  }
  await model.moreRuns();
  const { runs, linked } = model.state;
  assert.equal(
    withRow(runs.rows, linked, row => row.info.run_id),
    runs.rows
  );
});

void test('a run knows its experiment better than the link', async () => {
  const model = new RunsModel(new Shelf({ iris: 1, moons: 1 }));
  await model.follow({ experimentId: 'iris', runId: 'moons-0' });
  assert.equal(model.state.selected?.name, 'moons');
});

void test('a linked run that was deleted meanwhile goes at the next look', async () => {
  const shelf = new Shelf({ iris: 2 * PAGE });
  const model = new RunsModel(shelf);
  const runId = `iris-${PAGE}`;
  await model.follow({ experimentId: 'iris', runId });
  assert.equal(model.state.linked?.info.run_id, runId);
  shelf.deleted.add(runId);
  await model.refresh();
  assert.equal(model.state.linked, undefined);
});

void test('a link to what is gone is told until something else is chosen', async () => {
  const shelf = new Shelf({ iris: 1 });
  shelf.deleted.add('iris-0');
  const model = new RunsModel(shelf);
  await model.follow({ experimentId: 'old' });
  await model.refresh();
  assert.match(String(model.state.lost?.error), /no old/);
  assert.equal(model.state.selected?.name, 'iris');
  await model.follow({ experimentId: 'iris', runId: 'iris-7' });
  assert.match(String(model.state.lost?.error), /no iris-7/);
  await model.follow({ experimentId: 'iris', runId: 'iris-0' });
  assert.equal((model.state.lost?.error as TrackingError).code, 'DELETED');
  await model.select({ experiment_id: 'iris', name: 'iris' });
  assert.equal(model.state.lost, undefined);
});

void test('a link does not undo a choice made while it was looked up', async () => {
  const model = new RunsModel(new Shelf({ iris: 1, moons: 1 }));
  await model.refresh();
  const followed = model.follow({ experimentId: 'moons', runId: 'moons-0' });
  await Promise.all([followed, model.select({ experiment_id: 'iris', name: 'iris' })]);
  assert.deepEqual(ids(model), ['iris-0']);
  assert.equal(model.state.linked, undefined);
});
