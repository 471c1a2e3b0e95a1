import { caretRightIcon, downloadIcon, fileIcon, folderIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IArtifact } from '../tokens';
import { usePanel } from './context';
import { isPreviewed, lastName, sizeText } from './format';
import { ErrorLine } from './message';

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
  const [files, setFiles] = React.useState<readonly IArtifact[]>();
  const [error, setError] = React.useState<unknown>();
  const [attempt, setAttempt] = React.useState(0);
  React.useEffect(() => {
    let current = true;
    client.listArtifacts(runId, path).then(
      list => {
        if (current) {
          setFiles(list.files ?? []);
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
  if (files?.length === 0) {
    return <p className="jt-Hint">{trans.__('None')}</p>;
  }
  return (
    <ul className="jt-List jt-Artifacts" aria-label={path || trans.__('Artifacts')}>
      {files?.map(file => (
        <li key={file.path}>
          {file.is_dir ? (
            <FolderItem runId={runId} path={file.path} revision={revision} />
          ) : (
            <FileItem runId={runId} file={file} />
          )}
        </li>
      ))}
    </ul>
  );
}

function FolderItem(props: IFolderProps): React.JSX.Element {
  const [open, setOpen] = React.useState(false);
  return (
    <>
      <button
        type="button"
        className="jt-Item jt-Artifact"
        aria-expanded={open}
        onClick={() => {
          setOpen(!open);
        }}
      >
        <caretRightIcon.react tag="span" className="jt-Caret" />
        <folderIcon.react tag="span" className="jt-Icon" />
        <span className="jt-Truncated">{lastName(props.path)}</span>
      </button>
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
