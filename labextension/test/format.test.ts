import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  durationText,
  firstMetrics,
  isPreviewed,
  nameFilter,
  numberText,
  sizeText
} from '../src/runs/format';

void test('numbers are short but not wrong', () => {
  const cases: [Parameters<typeof numberText>[0], string][] = [
    [0, '0'],
    [3, '3'],
    [123456789, '123456789'],
    [0.123456, '0.1235'],
    [12.5, '12.5'],
    [0.00012345, '1.23e-4'],
    [1e12, '1.00e+12'],
    ['NaN', 'NaN'],
    ['-Infinity', '-∞']
  ];
  for (const [value, text] of cases) {
    assert.equal(numberText(value), text);
  }
});

void test('durations and sizes', () => {
  assert.equal(durationText(12.4), '12 ms');
  assert.equal(durationText(59_999), '59.9 s');
  assert.equal(durationText(61_000), '1 min 1 s');
  assert.equal(durationText(7_380_000), '2 h 3 min');
  assert.equal(sizeText(0), '0 B');
  assert.equal(sizeText(1500), '1.5 kB');
  assert.equal(sizeText(48_000_000), '48 MB');
  assert.equal(sizeText(2e12), '2.0 TB');
});

void test('a typed name becomes a filter whose quotes are balanced', () => {
  assert.equal(nameFilter('  '), '');
  assert.equal(nameFilter(' iris '), "name ILIKE '%iris%'");
  assert.equal(nameFilter("jane's"), 'name ILIKE "%jane\'s%"');
  assert.equal(nameFilter(`a'b"c`), `name ILIKE '%a_b"c%'`);
});

void test('the row shows the first metrics by name', () => {
  const metrics = ['z', 'a', 'm'].map(key => ({ key, value: 1, timestamp: 0 }));
  const run = {
    info: { run_id: 'r', experiment_id: '0', status: 'FINISHED' as const },
    data: { metrics }
  };
  assert.deepEqual(
    firstMetrics(run, 2).map(metric => metric.key),
    ['a', 'm']
  );
});

void test('pictures of a bearable size are previewed', () => {
  assert.ok(isPreviewed('plots/roc.PNG', 4000));
  assert.ok(isPreviewed('roc.svg', undefined));
  assert.ok(!isPreviewed('model.pkl', 10));
  assert.ok(!isPreviewed('huge.png', 100_000_000));
});
