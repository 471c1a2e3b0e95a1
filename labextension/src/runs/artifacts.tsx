import { caretRightIcon, downloadIcon, fileIcon, folderIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IArtifact, IArtifactList } from '../tokens';
import { usePanel } from './context';
import { isPreviewed, lastName, sizeText } from './format';
import { ErrorLine } from './message';
import { MoreButton } from './more';

/** Entries of a folder that are listed at first, and with each press of the button below them. */
const PAGE = 100;
/** Entries that the server lists at once. */
const LARGEST_PAGE = 1000;

interface IFolderProps {
  runId: string;
  /** Empty for the root. */
  path: string;
  /** The folder is listed again when this changes. */
  revision: number;
}

/** The entries of one folder of a run's artifacts; folders open below their name. */
export function ArtifactFolder({ runId, path, revision }: IFolderProps): React.JSX.Element | null {
  const { client, trans } = usePanel();
  const [list, setList] = React.useState<IArtifactList>();
  const [error, setError] = React.useState<unknown>();
  const [attempt, setAttempt] = React.useState(0);
  const shown = React.useRef(PAGE);
  React.useEffect(() => {
    let current = true;
    client.listArtifacts(runId, path, { maxResults: shown.current }).then(
      page => {
        if (current) {
          setList(page);
          setError(undefined);
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
  }, [client, runId, path, revision, attempt]);
  if (error !== undefined) {
    return (
      <ErrorLine
        error={error}
        retry={() => {
          setAttempt(attempt + 1);
        }}
      />
    );
  }
  if (list === undefined) {
    return null;
  }
  const { files = [], next_page_token: pageToken } = list;
  const more = async (): Promise<void> => {
    try {
      const page = await client.listArtifacts(runId, path, {
        maxResults: PAGE,
        ...(pageToken !== undefined && { pageToken })
      });
      const all = { ...page, files: [...files, ...(page.files ?? [])] };
      shown.current = Math.min(all.files.length, LARGEST_PAGE);
      // Unless the folder has been listed again meanwhile.
      setList(current => (current === list ? all : current));
    } catch (reason) {
      setError(reason);
    }
  };
  if (files.length === 0) {
    return <p className="jt-Hint">{trans.__('None')}</p>;
  }
  return (
    <>
      <ul className="jt-List jt-Artifacts" aria-label={path || trans.__('Artifacts')}>
        {files.map(file => (
          <li key={file.path}>
            {file.is_dir ? (
              <FolderItem runId={runId} path={file.path} revision={revision} />
            ) : (
              <FileItem runId={runId} file={file} />
            )}
          </li>
        ))}
      </ul>
      {pageToken !== undefined && <MoreButton load={more} />}
      {path === '' && (
        <a className="jt-Link jt-All" href={client.archiveUrl(runId, path)} download="">
          {trans.__('Download all')}
        </a>
      )}
    </>
  );
}

function FolderItem(props: IFolderProps): React.JSX.Element {
  const { client, trans } = usePanel();
  const [open, setOpen] = React.useState(false);
  const name = lastName(props.path);
  return (
    <>
      <div className="jt-Artifact">
        <button
          type="button"
          className="jt-Item jt-Artifact jt-Folder"
          aria-expanded={open}
          onClick={() => {
            setOpen(!open);
          }}
        >
          <caretRightIcon.react tag="span" className="jt-Caret" />
          <folderIcon.react tag="span" className="jt-Icon" />
          <span className="jt-Truncated">{name}</span>
        </button>
        <a
          className="jt-IconButton"
          href={client.archiveUrl(props.runId, props.path)}
          download=""
          aria-label={trans.__('Download folder %1', name)}
          title={trans.__('Download folder %1', name)}
        >
          <downloadIcon.react tag="span" className="jt-Icon" />
        </a>
      </div>
      {open && <ArtifactFolder {...props} />}
    </>
  );
}

function FileItem({ runId, file }: { runId: string; file: IArtifact }): React.JSX.Element {
  const { client, trans } = usePanel();
  const name = lastName(file.path);
  const url = client.artifactUrl(runId, file.path);
  return (
    <>
      <div className="jt-Artifact">
        <fileIcon.react tag="span" className="jt-Icon" />
        <a className="jt-Truncated" href={url} target="_blank" rel="noreferrer" title={file.path}>
          {name}
        </a>
        {file.file_size !== undefined && (
          <span className="jt-Artifact-size">{sizeText(file.file_size)}</span>
        )}
        <a
          className="jt-IconButton"
          href={url}
          download={name}
          aria-label={trans.__('Download %1', name)}
          title={trans.__('Download %1', name)}
        >
          <downloadIcon.react tag="span" className="jt-Icon" />
        </a>
      </div>
      {isPreviewed(file.path, file.file_size) && (
        <img className="jt-Preview" src={url} alt={name} loading="lazy" />
      )}
    </>
  );
}
