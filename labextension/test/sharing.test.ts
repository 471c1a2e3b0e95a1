import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrackingError } from '../src/api/error';
import { changed, seenByText, subjectKey } from '../src/sharing/grants';
import { leftText } from '../src/sharing/lifetime';
import { type IRights, SharingModel } from '../src/sharing/model';
import type { IGrant, IGrantsReply, IIdentity, ISubject, Role } from '../src/tokens';

const trans = {
  __: (text: string, word = '') => text.replace('%1', word),
  _n: (one: string, several: string, count: number) =>
    (count === 1 ? one : several).replace('%1', String(count))
};
const JANE: IGrant = { kind: 'user', name: 'jane', role: 'owner' };
const LAB: ISubject = { kind: 'group', name: 'lab' };
const LAST_OWNER = new TrackingError('INVALID_STATE', 'An experiment must keep an owner');

/** A server whose answers wait until they are let go. */
class Server implements IRights {
  grants: readonly IGrant[] = [JANE];
  role: Role = 'owner';
  rights = true;
  /** Which of the changes are refused, counted from 1. */
  readonly refused = new Set<number>();
  gone = false;

  whoAmI(): Promise<IIdentity> {
    return Promise.resolve({ user: 'jane', groups: ['lab'], admin: false, rights: this.rights });
  }

  listGrants(): Promise<IGrantsReply> {
    return this.gone
      ? Promise.reject(new TrackingError('RESOURCE_DOES_NOT_EXIST', 'no such experiment'))
      : Promise.resolve({ role: this.role, grants: this.grants });
  }

  setGrant(_: string, grant: IGrant): Promise<object> {
    return this._answer(() => {
      this.grants = changed(this.grants, { subject: grant, role: grant.role });
    });
  }

  removeGrant(_: string, subject: ISubject): Promise<object> {
    return this._answer(() => {
      this.grants = changed(this.grants, { subject });
    });
  }

  /** Hold back answers until the returned function is called. */
  hold(): () => void {
    let go = (): void => undefined;
    this._gate = new Promise(resolve => {
      go = resolve;
    });
    return go;
  }

  private async _answer(work: () => void): Promise<object> {
    const number = ++this._asked;
    await this._gate;
    if (this.refused.has(number)) {
      throw LAST_OWNER;
    }
    work();
    return {};
  }

  private _asked = 0;
  private _gate: Promise<void> = Promise.resolve();
}

async function opened(server: Server): Promise<SharingModel> {
  const model = new SharingModel(server, '7');
  await model.load();
  return model;
}

const roles = (model: SharingModel): string[] =>
  model.state.grants.map(grant => `${subjectKey(grant)}=${grant.role}`);

void test('a change shows before the server has answered, and stays', async () => {
  const server = new Server();
  const model = await opened(server);
  const go = server.hold();
  const done = model.give(LAB, 'reader');
  assert.deepEqual(roles(model), ['user:jane=owner', 'group:lab=reader']);
  go();
  assert.equal(await done, true);
  assert.deepEqual(roles(model), ['user:jane=owner', 'group:lab=reader']);
  assert.deepEqual(server.grants, model.state.grants);
});

void test('what the server refuses is taken back, with the reason', async () => {
  const server = new Server();
  const model = await opened(server);
  server.refused.add(1);
  const go = server.hold();
  const done = model.give(JANE, 'reader');
  assert.deepEqual(roles(model), ['user:jane=reader']);
  go();
  assert.equal(await done, false);
  assert.deepEqual(roles(model), ['user:jane=owner']);
  assert.deepEqual(model.state.refused, { key: 'user:jane', error: LAST_OWNER });
});

void test('of several changes only the refused one is taken back', async () => {
  const server = new Server();
  const model = await opened(server);
  server.refused.add(2);
  const go = server.hold();
  const first = model.give(LAB, 'editor');
  const second = model.take(JANE);
  assert.deepEqual(roles(model), ['group:lab=editor']);
  go();
  assert.deepEqual([await first, await second], [true, false]);
  assert.deepEqual(roles(model), ['user:jane=owner', 'group:lab=editor']);
});

void test('who gives their own role away learns it', async () => {
  const server = new Server();
  const model = await opened(server);
  server.role = 'reader';
  await model.give(JANE, 'reader');
  assert.equal(model.state.role, 'reader');
  server.gone = true;
  await model.take(JANE);
  assert.equal(model.state.role, undefined);
  assert.deepEqual(model.state.grants, []);
});

void test('without rights everything is the own, and without such calls there is no sharing', async () => {
  const server = new Server();
  server.rights = false;
  assert.equal((await opened(server)).state.role, 'owner');
  server.whoAmI = (): Promise<IIdentity> => Promise.reject(new TrackingError('NOT_FOUND', ''));
  const { role, identity } = (await opened(server)).state;
  assert.deepEqual([role, identity], [undefined, undefined]);
});

void test('one sentence says who else sees an experiment', () => {
  const everyone: IGrant = { kind: 'everyone', name: '', role: 'reader' };
  const lab: IGrant = { ...LAB, role: 'editor' };
  assert.equal(seenByText([JANE], 'jane', trans), 'Only you see this experiment');
  assert.equal(
    seenByText([JANE, lab, everyone], 'jane', trans),
    'Also seen by Group lab (editor), Everyone (reader)'
  );
});

void test('what is left of a link is told in a unit that fits', () => {
  const minute = 60_000;
  const cases: [number, string][] = [
    [30 * 24 * 60 * minute - 1, '30 days left'],
    [2 * 24 * 60 * minute - 1, '2 days left'],
    [24 * 60 * minute - 1, '24 hours left'],
    [119 * minute, '119 minutes left'],
    [1, '1 minute left'],
    [-5, '1 minute left']
  ];
  for (const [left, text] of cases) {
    assert.equal(leftText(left, trans), text);
  }
});
