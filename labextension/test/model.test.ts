import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPageRequest } from '../src/api/client';
import { type ISearches, PAGE, RunsModel } from '../src/runs/model';
import type { IExperiment, IExperimentPage, IRun, IRunPage } from '../src/tokens';

/** A server with some experiments, each with so many runs; a page token is an offset. */
class Shelf implements ISearches {
  readonly asked: (string | number)[] = [];
  failing = false;

  constructor(private readonly _counts: Record<string, number>) {}

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
    const runs: IRun[] = Array.from({ length: end - start }, (_, index) => ({
      info: {
        run_id: `${experimentId}-${start + index}`,
        experiment_id: experimentId,
        status: 'FINISHED'
      }
    }));
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
