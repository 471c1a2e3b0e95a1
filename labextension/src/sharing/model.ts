/**
 * Who may do what in one experiment, and the sentences that change it. Knows nothing of React.
 *
 * A change shows at once. The server is asked for one change after another; what it refuses is
 * taken back, and the reason kept for the subject that it concerns.
 */

import { Signal, type ISignal } from '@lumino/signaling';
import { TrackingError } from '../api/error';
import type { IGrant, IGrantsReply, IIdentity, ISubject, Role } from '../tokens';
import { changed, type IChange, subjectKey } from './grants';

/** What the model asks of the client. */
export interface IRights {
  whoAmI(): Promise<IIdentity>;
  listGrants(experimentId: string): Promise<IGrantsReply>;
  setGrant(experimentId: string, grant: IGrant): Promise<object>;
  removeGrant(experimentId: string, subject: ISubject): Promise<object>;
}

export interface ISharing {
  /** Undefined until the server has told it, and where it cannot. */
  readonly identity?: IIdentity | undefined;
  /** The user's own role; undefined until it is known, and once it is lost. */
  readonly role?: Role | undefined;
  /** What the server said, with the changes that it has yet to answer. */
  readonly grants: readonly IGrant[];
  /** The subject of the last change that was refused, and why; or why nothing can be read. */
  readonly refused?: { readonly key: string; readonly error: unknown } | undefined;
}

export class SharingModel {
  constructor(
    private readonly _rights: IRights,
    readonly experimentId: string
  ) {}

  get state(): ISharing {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Read who the user is, and the grants. A server that does not know such calls has no sharing. */
  load(): Promise<void> {
    return this._queue(async () => {
      const identity = await this._rights.whoAmI();
      if (identity.rights) {
        await this._read();
      } else {
        this._set({ role: 'owner' });
      }
      this._set({ identity });
    }).catch((error: unknown) => {
      this._set({ identity: undefined, role: undefined, refused: { key: '', error } });
    });
  }

  /** Give a subject a role; whether the server took it. */
  give(subject: ISubject, role: Role): Promise<boolean> {
    const grant = { kind: subject.kind, name: subject.name, role };
    return this._change({ subject, role }, () => this._rights.setGrant(this.experimentId, grant));
  }

  /** Take a subject's role away; whether the server did. */
  take(subject: ISubject): Promise<boolean> {
    return this._change({ subject }, () => this._rights.removeGrant(this.experimentId, subject));
  }

  private async _change(change: IChange, ask: () => Promise<object>): Promise<boolean> {
    this._pending.push(change);
    this._set({ refused: undefined });
    try {
      await this._queue(ask);
      this._confirmed = changed(this._confirmed, change);
      return true;
    } catch (error) {
      this._set({ refused: { key: subjectKey(change.subject), error } });
      return false;
    } finally {
      this._pending.splice(this._pending.indexOf(change), 1);
      this._set({});
      await this._reread();
    }
  }

  /** The user may have changed what they themselves may do, and others something else. */
  private async _reread(): Promise<void> {
    try {
      await this._queue(() => this._read());
    } catch (error) {
      if (error instanceof TrackingError && error.code === 'RESOURCE_DOES_NOT_EXIST') {
        this._confirmed = [];
        this._set({ role: undefined, refused: { key: '', error } });
      }
    }
  }

  private async _read(): Promise<void> {
    const reply = await this._rights.listGrants(this.experimentId);
    this._confirmed = reply.grants;
    this._set({ role: reply.role });
  }

  private _queue<T>(task: () => Promise<T>): Promise<T> {
    const done = this._last.then(task);
    this._last = done.then(
      () => undefined,
      () => undefined
    );
    return done;
  }

  private _set(change: Partial<ISharing>): void {
    const grants = this._pending.reduce(changed, this._confirmed);
    this._state = { ...this._state, ...change, grants };
    this._changed.emit();
  }

  private _state: ISharing = { grants: [] };
  private _confirmed: readonly IGrant[] = [];
  private readonly _pending: IChange[] = [];
  private _last: Promise<void> = Promise.resolve();
  private readonly _changed = new Signal<this, void>(this);
}
