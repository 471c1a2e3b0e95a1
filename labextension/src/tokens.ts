/**
 * What the server sends: the parts of its JSON that the panel reads.
 *
 * Times are milliseconds since 1970. A field that is unset is absent, an empty list too.
 */

/** A number, or one of the words that JSON has no number for. */
export type WireNumber = number | 'NaN' | 'Infinity' | '-Infinity';

export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

export type LifecycleStage = 'active' | 'deleted';

export interface IKeyValue {
  readonly key: string;
  readonly value: string;
}

export type IParam = IKeyValue;

export type ITag = IKeyValue;

export interface IMetric {
  readonly key: string;
  readonly value: WireNumber;
  readonly timestamp: number;
  readonly step?: number;
}

export interface IExperiment {
  readonly experiment_id: string;
  readonly name: string;
  readonly lifecycle_stage?: LifecycleStage;
  readonly creation_time?: number;
  readonly last_update_time?: number;
  /** Whose names its name is taken among; only on servers where users sign in. */
  readonly owner?: string;
}

export interface IRunInfo {
  readonly run_id: string;
  readonly run_name?: string;
  readonly experiment_id: string;
  readonly status: RunStatus;
  readonly lifecycle_stage?: LifecycleStage;
  readonly start_time?: number;
  readonly end_time?: number;
}

export interface IRunData {
  readonly metrics?: readonly IMetric[];
  readonly params?: readonly IParam[];
  readonly tags?: readonly ITag[];
}

export interface IRun {
  readonly info: IRunInfo;
  readonly data?: IRunData;
}

export interface IArtifact {
  /** Relative to the root of the run's artifacts, with `/` between names. */
  readonly path: string;
  readonly is_dir?: boolean;
  /** Bytes. */
  readonly file_size?: number;
}

export interface IExperimentReply {
  readonly experiment: IExperiment;
}

export interface IRunReply {
  readonly run: IRun;
}

export interface IExperimentPage {
  readonly experiments?: readonly IExperiment[];
  readonly next_page_token?: string;
}

export interface IRunPage {
  readonly runs?: readonly IRun[];
  readonly next_page_token?: string;
}

export interface IArtifactList {
  readonly files?: readonly IArtifact[];
  readonly next_page_token?: string;
}

/** A role includes those before it. */
export type Role = 'reader' | 'editor' | 'owner';

/** Whom a grant is for; `everyone` is each caller that the server knows. */
export type SubjectKind = 'user' | 'group' | 'everyone';

/** `everyone` has an empty name. */
export interface ISubject {
  readonly kind: SubjectKind;
  readonly name: string;
}

export interface IGrant extends ISubject {
  readonly role: Role;
}

/** The caller. */
export interface IIdentity {
  readonly user: string;
  readonly groups: readonly string[];
  readonly admin: boolean;
  /** Whether the server keeps roles; where it does not, every caller owns everything. */
  readonly rights: boolean;
}

export interface IGrantsReply {
  /** The caller's own. */
  readonly role: Role;
  readonly grants: readonly IGrant[];
}

export interface IShareLink {
  readonly id: string;
  readonly run_id: string;
  /** Below the run's root; empty for the run itself. */
  readonly path: string;
  readonly created_by: string;
  readonly created: number;
  readonly expires: number;
  /** Told once, when the link is made. */
  readonly url?: string;
}

export interface IShareLinkReply {
  readonly share_link: IShareLink;
}

export interface IShareLinks {
  readonly share_links: readonly IShareLink[];
}

/** The body of every refusal. */
export interface IErrorBody {
  readonly error_code: string;
  readonly message: string;
}
