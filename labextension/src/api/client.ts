import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type {
  IArtifactList,
  IExperimentPage,
  IExperimentReply,
  IGrant,
  IGrantsReply,
  IIdentity,
  IRunPage,
  IRunReply,
  IShareLinkReply,
  IShareLinks,
  ISubject
} from '../tokens';
import { errorOf, TrackingError } from './error';

/** Where a page of a search begins and how long it is. */
export interface IPageRequest {
  readonly maxResults: number;
  readonly pageToken?: string;
}

/** The calls that MLflow has, and those that it has not. */
type Family = 'mlflow' | 'jupyter-tracking';

/** What the panel asks of the tracking server inside this Jupyter Server. */
export class TrackingClient {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  /** Active experiments whose name passes `filter`, the latest changed first. */
  searchExperiments(filter: string, page: IPageRequest): Promise<IExperimentPage> {
    return this._post('experiments/search', {
      filter,
      order_by: ['last_update_time DESC'],
      max_results: page.maxResults,
      page_token: page.pageToken
    });
  }

  /** Active runs of one experiment, the latest started first. */
  searchRuns(experimentId: string, page: IPageRequest): Promise<IRunPage> {
    return this._post('runs/search', {
      experiment_ids: [experimentId],
      order_by: ['attributes.start_time DESC'],
      max_results: page.maxResults,
      page_token: page.pageToken
    });
  }

  /** One experiment, a deleted one too. */
  getExperiment(experimentId: string): Promise<IExperimentReply> {
    return this._get('experiments/get', { experiment_id: experimentId });
  }

  /** One run, a deleted one too. */
  getRun(runId: string): Promise<IRunReply> {
    return this._get('runs/get', { run_id: runId });
  }

  /** The files and folders directly below `path`; the root is the empty path. */
  listArtifacts(runId: string, path: string, page: IPageRequest): Promise<IArtifactList> {
    return this._get('artifacts/list', {
      run_id: runId,
      max_results: String(page.maxResults),
      ...(path && { path }),
      ...(page.pageToken && { page_token: page.pageToken })
    });
  }

  /** Who the server takes the user for. */
  whoAmI(): Promise<IIdentity> {
    return this._get('whoami', {}, 'jupyter-tracking');
  }

  /** Who has which role in an experiment, and the user's own. */
  listGrants(experimentId: string): Promise<IGrantsReply> {
    return this._get('grants/list', { experiment_id: experimentId }, 'jupyter-tracking');
  }

  /** Give a role, in place of the one that the subject had. */
  setGrant(experimentId: string, grant: IGrant): Promise<object> {
    return this._post('grants/set', { experiment_id: experimentId, ...grant }, 'jupyter-tracking');
  }

  removeGrant(experimentId: string, { kind, name }: ISubject): Promise<object> {
    return this._post(
      'grants/remove',
      { experiment_id: experimentId, kind, name },
      'jupyter-tracking'
    );
  }

  /** @param expiresIn - seconds */
  createShareLink(runId: string, expiresIn: number): Promise<IShareLinkReply> {
    return this._post(
      'share-links/create',
      { run_id: runId, expires_in: expiresIn },
      'jupyter-tracking'
    );
  }

  listShareLinks(runId: string): Promise<IShareLinks> {
    return this._get('share-links/list', { run_id: runId }, 'jupyter-tracking');
  }

  revokeShareLink(id: string): Promise<object> {
    return this._post('share-links/revoke', { id }, 'jupyter-tracking');
  }

  /** Where the browser gets the bytes of an artifact. */
  artifactUrl(runId: string, path: string): string {
    const query = URLExt.objectToQueryString({ run_id: runId, path });
    return URLExt.join(this._settings.baseUrl, 'tracking/get-artifact') + query;
  }

  /** Where it gets a folder as one file; the empty path is all artifacts of the run. */
  archiveUrl(runId: string, path: string): string {
    const query = URLExt.objectToQueryString({ run_id: runId, path, format: 'zip' });
    return URLExt.join(this._settings.baseUrl, 'tracking/get-artifact') + query;
  }

  private _get<T>(
    endpoint: string,
    query: Record<string, string>,
    family: Family = 'mlflow'
  ): Promise<T> {
    const address = `${family}/${endpoint}${URLExt.objectToQueryString(query)}`;
    return requestAPI(this._settings, address, { method: 'GET' });
  }

  private _post<T>(endpoint: string, body: object, family: Family = 'mlflow'): Promise<T> {
    const init = { method: 'POST', body: JSON.stringify(body) };
    return requestAPI(this._settings, `${family}/${endpoint}`, init);
  }
}

/**
 * Call one endpoint; every request of the extension passes here.
 *
 * @param address - family, endpoint and query
 * @throws TrackingError
 */
async function requestAPI<T>(
  settings: ServerConnection.ISettings,
  address: string,
  init: RequestInit
): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'tracking/ajax-api/2.0', address);
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(
      url,
      { ...init, headers: { 'Content-Type': 'application/json' } },
      settings
    );
  } catch (error) {
    throw new TrackingError('UNREACHABLE', String(error));
  }
  const body = (await response.json().catch(() => undefined)) as unknown;
  if (!response.ok) {
    throw errorOf(response.status, body);
  }
  if (typeof body !== 'object' || body === null) {
    throw new TrackingError('UNEXPECTED_ANSWER', String(response.status));
  }
  return body as T;
}
