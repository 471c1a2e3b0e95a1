import { Clipboard, UseSignal } from '@jupyterlab/apputils';
import { Time } from '@jupyterlab/coreutils';
import { caretRightIcon, closeIcon, linkIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { usePanel } from '../runs/context';
import { errorText } from '../runs/message';
import type { IShareLink } from '../tokens';
import { SharingContext } from './context';
import { leftText } from './lifetime';

const DAY = 24 * 60 * 60;
/** Days for which a link can be made here. */
const LIFETIMES = [1, 7, 30] as const;
const USUAL_LIFETIME = 7;

/** The links by which anybody reads a run, for its owner. */
export function ShareLinks({ runId }: { runId: string }): React.JSX.Element | null {
  const { trans } = usePanel();
  const sharing = React.useContext(SharingContext);
  const [open, setOpen] = React.useState(false);
  if (!sharing) {
    return null;
  }
  return (
    <UseSignal signal={sharing.changed}>
      {() =>
        sharing.state.role === 'owner' && (
          <section className="jt-Section jt-ShareLinks">
            <h4>
              <button
                type="button"
                className="jt-Item"
                aria-expanded={open}
                onClick={() => {
                  setOpen(!open);
                }}
              >
                <caretRightIcon.react tag="span" className="jt-Caret" />
                {trans.__('Share links')}
              </button>
            </h4>
            {open && <Links runId={runId} />}
          </section>
        )
      }
    </UseSignal>
  );
}

function Links({ runId }: { runId: string }): React.JSX.Element {
  const { client, trans } = usePanel();
  const [links, setLinks] = React.useState<readonly IShareLink[]>([]);
  const [made, setMade] = React.useState<IShareLink>();
  const [error, setError] = React.useState<unknown>();
  React.useEffect(() => {
    let current = true;
    client.listShareLinks(runId).then(
      reply => {
        if (current) {
          setLinks(reply.share_links);
        }
      },
      (reason: unknown) => {
        if (current) {
          setError(reason);
        }
      }
    );
    return () => {
      current = false;
    };
  }, [client, runId]);
  const make = async (days: number): Promise<void> => {
    setError(undefined);
    try {
      const { share_link: link } = await client.createShareLink(runId, days * DAY);
      Clipboard.copyToSystem(link.url ?? '');
      setMade(link);
      setLinks(before => [link, ...before]);
    } catch (reason) {
      setError(reason);
    }
  };
  const revoke = async (link: IShareLink): Promise<void> => {
    const before = links;
    setError(undefined);
    setLinks(before.filter(other => other.id !== link.id));
    try {
      await client.revokeShareLink(link.id);
      setMade(current => (current?.id === link.id ? undefined : current));
    } catch (reason) {
      setLinks(before);
      setError(reason);
    }
  };
  return (
    <>
      <MakeLink make={make} />
      {made && <MadeLink link={made} />}
      {error !== undefined && (
        <p className="jt-Error jt-Error-text" role="alert">
          {errorText(error, trans)}
        </p>
      )}
      <ul className="jt-List" aria-label={trans.__('Share links')}>
        {links.map(link => (
          <li key={link.id}>
            <LinkRow link={link} revoke={revoke} />
          </li>
        ))}
      </ul>
    </>
  );
}

function MakeLink({ make }: { make: (days: number) => Promise<void> }): React.JSX.Element {
  const { trans } = usePanel();
  const [days, setDays] = React.useState<number>(USUAL_LIFETIME);
  const [busy, setBusy] = React.useState(false);
  return (
    <div className="jt-AddForm">
      <button
        type="button"
        className="jt-Button"
        disabled={busy}
        onClick={() => {
          setBusy(true);
          void make(days).finally(() => {
            setBusy(false);
          });
        }}
      >
        {trans.__('Copy share link')}
      </button>
      <select
        className="jt-Select"
        aria-label={trans.__('How long the link works')}
        value={days}
        onChange={event => {
          setDays(Number(event.target.value));
        }}
      >
        {LIFETIMES.map(each => (
          <option key={each} value={each}>
            {trans._n('%1 day', '%1 days', each)}
          </option>
        ))}
      </select>
    </div>
  );
}

/** The new link, which is not told a second time. */
function MadeLink({ link }: { link: IShareLink }): React.JSX.Element {
  const { trans } = usePanel();
  return (
    <>
      <input
        className="jt-Input"
        aria-label={trans.__('New share link')}
        readOnly
        value={link.url ?? ''}
        onFocus={event => {
          event.target.select();
        }}
      />
      <p className="jt-Hint" role="status">
        {trans.__(
          'Copied. Until %1, whoever has it reads this run and its artifacts. It is shown only now.',
          Time.format(new Date(link.expires))
        )}
      </p>
    </>
  );
}

function LinkRow(props: {
  link: IShareLink;
  revoke: (link: IShareLink) => Promise<void>;
}): React.JSX.Element {
  const { trans } = usePanel();
  const { link } = props;
  const left = leftText(link.expires - Date.now(), trans);
  const end = new Date(link.expires);
  const text = [
    link.path || trans.__('Whole run'),
    link.created_by && trans.__('by %1', link.created_by)
  ]
    .filter(Boolean)
    .join(' ');
  return (
    <div className="jt-Grant">
      <linkIcon.react tag="span" className="jt-Icon" />
      <span className="jt-Truncated" title={text}>
        {text}
      </span>
      <time dateTime={end.toISOString()} title={Time.format(end)}>
        {left}
      </time>
      <button
        type="button"
        className="jt-IconButton"
        aria-label={trans.__('Revoke the link with %1', left)}
        title={trans.__('Revoke')}
        onClick={() => void props.revoke(link)}
      >
        <closeIcon.react tag="span" className="jt-Icon" />
      </button>
    </div>
  );
}
