/** Links as clients print them: the tracking URI, then `#/experiments/<id>/runs/<run_id>`. */

export interface ILink {
  readonly experimentId: string;
  readonly runId?: string | undefined;
}

/** Found in an address whose fragment is a link; what follows the ids is for other front ends. */
export const LINK = /#\/experiments\/([^/?#]+)(?:\/runs\/([^/?#]+))?/;

/** The experiment, and the run if there is one, that an address links to. */
export function parseLink(address: string): ILink | undefined {
  const [, experimentId, runId] = LINK.exec(address) ?? [];
  return experimentId === undefined ? undefined : { experimentId, runId };
}
