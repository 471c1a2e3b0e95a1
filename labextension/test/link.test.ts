import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLink } from '../src/runs/link';

void test('a link names an experiment, and perhaps a run', () => {
  assert.deepEqual(parseLink('#/experiments/0'), { experimentId: '0', runId: undefined });
  assert.deepEqual(parseLink('/lab?token=a#/experiments/12/runs/5e1f'), {
    experimentId: '12',
    runId: '5e1f'
  });
});

void test('what other front ends put behind the ids is left out', () => {
  const cases: [string, string | undefined][] = [
    ['#/experiments/3/', undefined],
    ['#/experiments/3?searchFilter=a', undefined],
    ['#/experiments/3/models/m-1', undefined],
    ['#/experiments/3/runs/', undefined],
    ['#/experiments/3/runs/5e1f/artifacts', '5e1f'],
    ['#/experiments/3/runs/5e1f?tab=a', '5e1f']
  ];
  for (const [fragment, runId] of cases) {
    assert.deepEqual(parseLink(fragment), { experimentId: '3', runId });
  }
});

void test('any other address is no link', () => {
  for (const address of [
    '',
    '/lab',
    '#Heading',
    '#/experiments/',
    '#/models/a',
    '/experiments/3'
  ]) {
    assert.equal(parseLink(address), undefined);
  }
});
