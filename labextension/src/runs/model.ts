/**
 * What the panel shows, and the sentences that change it. Knows nothing of React or the DOM.
 *
 * Requests run one after another. An answer whose question has changed meanwhile (another
 * experiment was chosen, another name typed) is dropped: the change has queued its own request.
 */

import { Signal, type ISignal } from '@lumino/signaling';
import type { IPageRequest } from '../api/client';
import { TrackingError } from '../api/error';
import type {
  IExperiment,
  IExperimentPage,
  IExperimentReply,
  IRun,
  IRunPage,
  IRunReply,
  LifecycleStage
} from '../tokens';
import { nameFilter, runName } from './format';
import type { ILink } from './link';

/** Rows asked for at first, and by each "load more". */
export const PAGE = 50;

/** The server refuses to send more rows in one answer. */
const MAX_ROWS = 50000;

/** What the model asks of the client. */
export interface IReads {
  getExperiment(experimentId: string): Promise<IExperimentReply>;
  getRun(runId: string): Promise<IRunReply>;
  searchExperiments(filter: string, page: IPageRequest): Promise<IExperimentPage>;
  searchRuns(experimentId: string, page: IPageRequest): Promise<IRunPage>;
}

/** Rows, and the token of the next page if there is one; undefined rows have not come yet. */
export interface IRows<T> {
  readonly rows?: readonly T[];
  readonly next?: string | undefined;
}

export interface IState {
  readonly search: string;
  readonly experiments: IRows<IExperiment>;
  readonly selected?: IExperiment | undefined;
  readonly runs: IRows<IRun>;
  /** The ids of the runs whose details are shown. */
  readonly open: ReadonlySet<string>;
  /** The run that a link led to; it may be on a page that has not been loaded. */
  readonly linked?: IRun | undefined;
  /** Counts links that were followed: each is scrolled to once. */
  readonly followed: number;
  /** A link that could not be followed, until something else is chosen. */
  readonly lost?: { readonly link: ILink; readonly error: unknown } | undefined;
  readonly error?: unknown;
  /** Counts refreshes, the quiet ones of the poll too: what a live run shows is read again. */
  readonly refreshes: number;
  /** Counts refreshes that the user asked for: everything shown is read again. */
  readonly requested: number;
}

export class RunsModel {
  constructor(private readonly _reads: IReads) {}

  get state(): IState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Read again what is shown. Rejects as the request did, so that a poll backs off. */
  refresh(requested = false): Promise<void> {
    if (requested) {
      this._set({ requested: this._state.requested + 1 });
    }
    return this._queue(() => this._refresh());
  }

  /** Show only experiments whose name contains `text`; of what is typed fast, only the last is asked. */
  search(text: string): Promise<void> {
    this._set({ search: text });
    return this._quietly(async () => {
      if (text === this._state.search) {
        await this._refreshExperiments();
      }
    });
  }

  select(experiment: IExperiment): Promise<void> {
    this._choices += 1;
    this._choose(experiment);
    return this._quietly(() => this._refreshRuns());
  }

  /** Choose the experiment, and open the run, that a link names. */
  follow(link: ILink): Promise<void> {
    const choice = ++this._choices;
    return this._quietly(async () => {
      try {
        const target = await this._find(link);
        if (choice === this._choices) {
          this._choose(target.experiment, target.run);
          await this._refreshRuns();
          this._set({ followed: this._state.followed + 1 });
        }
      } catch (error) {
        if (choice === this._choices) {
          this._set({ lost: { link, error } });
        }
      }
    });
  }

  /** Show the details of a run, or hide them. */
  toggle(runId: string): void {
    const open = new Set(this._state.open);
    if (!open.delete(runId)) {
      open.add(runId);
    }
    this._set({ open });
  }

  moreExperiments(): Promise<void> {
    return this._quietly(async () => {
      const { search, experiments } = this._state;
      if (experiments.next === undefined) {
        return;
      }
      const page = await this._reads.searchExperiments(nameFilter(search), {
        maxResults: PAGE,
        pageToken: experiments.next
      });
      if (search === this._state.search) {
        this._set({ experiments: appended(experiments, page.experiments, page.next_page_token) });
      }
    });
  }

  moreRuns(): Promise<void> {
    return this._quietly(async () => {
      const { selected, runs } = this._state;
      if (selected === undefined || runs.next === undefined) {
        return;
      }
      const page = await this._reads.searchRuns(selected.experiment_id, {
        maxResults: PAGE,
        pageToken: runs.next
      });
      if (this._isSelected(selected)) {
        this._set({ runs: appended(runs, page.runs, page.next_page_token) });
      }
    });
  }

  /** What a link leads to. A run knows its experiment better than the link does. */
  private async _find(link: ILink): Promise<{ experiment: IExperiment; run?: IRun | undefined }> {
    const run = link.runId === undefined ? undefined : (await this._reads.getRun(link.runId)).run;
    const { experiment } = await this._reads.getExperiment(
      run?.info.experiment_id ?? link.experimentId
    );
    refuseDeleted(experiment, experiment.name);
    if (run) {
      refuseDeleted(run.info, runName(run));
    }
    return { experiment, run };
  }

  private _choose(selected: IExperiment, linked?: IRun): void {
    const same = this._isSelected(selected);
    const open = new Set(same ? this._state.open : []);
    if (linked) {
      open.add(linked.info.run_id);
    }
    const runs = same ? this._state.runs : {};
    this._set({ selected, runs, open, linked, lost: undefined });
  }

  private async _refresh(): Promise<void> {
    await this._refreshExperiments();
    await this._refreshRuns();
    this._set({ error: undefined, refreshes: this._state.refreshes + 1 });
  }

  private async _refreshExperiments(): Promise<void> {
    const { search, experiments } = this._state;
    const page = await this._reads.searchExperiments(nameFilter(search), {
      maxResults: shown(experiments)
    });
    if (search !== this._state.search) {
      return;
    }
    const rows = page.experiments ?? [];
    this._set({ experiments: { rows, next: page.next_page_token } });
    this._keepSelection(rows, search === '' && page.next_page_token === undefined);
  }

  /** @param complete - whether `rows` are all experiments: one not among them is gone */
  private _keepSelection(rows: readonly IExperiment[], complete: boolean): void {
    const { selected } = this._state;
    const found = rows.find(row => row.experiment_id === selected?.experiment_id);
    if (found) {
      this._set({ selected: found });
    } else if (selected === undefined || complete) {
      this._set({ selected: rows[0], runs: {} });
    }
  }

  private async _refreshRuns(): Promise<void> {
    const { selected, runs } = this._state;
    if (selected === undefined) {
      return;
    }
    const page = await this._reads.searchRuns(selected.experiment_id, {
      maxResults: shown(runs)
    });
    const rows = page.runs ?? [];
    const linked = await this._rereadLinked(rows);
    if (this._isSelected(selected)) {
      this._set({ runs: { rows, next: page.next_page_token }, linked });
    }
  }

  /** The linked run as it is now, from `rows` if it is there; undefined once it is gone. */
  private async _rereadLinked(rows: readonly IRun[]): Promise<IRun | undefined> {
    const id = this._state.linked?.info.run_id;
    const listed = rows.find(row => row.info.run_id === id);
    if (id === undefined || listed) {
      return listed;
    }
    try {
      const { run } = await this._reads.getRun(id);
      return run.info.lifecycle_stage === 'deleted' ? undefined : run;
    } catch (error) {
      if (error instanceof TrackingError && error.code === 'RESOURCE_DOES_NOT_EXIST') {
        return undefined;
      }
      throw error;
    }
  }

  private _isSelected(experiment: IExperiment): boolean {
    return experiment.experiment_id === this._state.selected?.experiment_id;
  }

  /** Run after everything asked before; an error is kept in the state and thrown. */
  private _queue(task: () => Promise<void>): Promise<void> {
    const done = this._last.then(task).catch((error: unknown) => {
      this._set({ error });
      throw error;
    });
    this._last = done.catch(() => undefined);
    return done;
  }

  /** As `_queue`, for callers who read the error from the state. */
  private _quietly(task: () => Promise<void>): Promise<void> {
    return this._queue(async () => {
      await task();
      this._set({ error: undefined });
    }).catch(() => undefined);
  }

  private _set(change: Partial<IState>): void {
    this._state = { ...this._state, ...change };
    this._changed.emit();
  }

  private _state: IState = {
    search: '',
    experiments: {},
    runs: {},
    open: new Set(),
    followed: 0,
    refreshes: 0,
    requested: 0
  };
  /** Counts choices of an experiment, so that a link does not undo one made while it is looked up. */
  private _choices = 0;
  private _last: Promise<void> = Promise.resolve();
  private readonly _changed = new Signal<this, void>(this);
}

/** `rows`, with `extra` above them where it is not one of them. */
export function withRow<T>(
  rows: readonly T[] | undefined,
  extra: T | undefined,
  id: (row: T) => string
): readonly T[] | undefined {
  return !rows || !extra || rows.some(row => id(row) === id(extra)) ? rows : [extra, ...rows];
}

function refuseDeleted(thing: { readonly lifecycle_stage?: LifecycleStage }, name: string): void {
  if (thing.lifecycle_stage === 'deleted') {
    throw new TrackingError('DELETED', name);
  }
}

/** How many rows a refresh asks for: as many as are there, so that nothing loaded disappears. */
function shown(list: IRows<unknown>): number {
  return Math.min(Math.max(PAGE, list.rows?.length ?? 0), MAX_ROWS);
}

function appended<T>(list: IRows<T>, rows: readonly T[] = [], next?: string): IRows<T> {
  return { rows: [...(list.rows ?? []), ...rows], next };
}
