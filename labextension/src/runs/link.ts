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

/**
 * What a plain click follows, if it is a link to the server at this path.
 *
 * Clients print the address by which they reach the server, and a browser elsewhere may not reach that: the
 * path tells that it is ours. Clicks that ask for another tab or window are left to the browser.
 */
export function clickedLink(event: MouseEvent, path: string): ILink | undefined {
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
  if (!plain || event.defaultPrevented || !(event.target instanceof Element)) {
    return undefined;
  }
  const anchor = event.target.closest('a');
  return anchor?.pathname === path ? parseLink(anchor.hash) : undefined;
}
