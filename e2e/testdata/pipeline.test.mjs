import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits, until, withPage } from '../../internal/browser/lib.mjs';

const token = process.env.OPERATOR_TOKEN;
const asOperator = (page, given = token) => page.on('dialog', (dialog) => dialog.accept(given));
const notice = (page, text) => page.getByRole('main').getByText(text).first().waitFor();

for (const colorScheme of ['light', 'dark']) {
  test(`shows all stages: ${colorScheme}`, () => withPage({ colorScheme }, '/pipeline', async (page) => {
    for (const [stage, text] of [['Postgres', 'active'], ['Debezium', 'RUNNING'], ['Kafka', 'event-deleted'], ['Indexer', 'Stable'], ['Elasticsearch', 'events-']]) {
      await page.locator(`[data-stage=${stage}]`).getByText(text).first().waitFor();
    }
    for (const topic of ['event-created', 'event-updated', 'event-deleted']) {
      assert.equal(await page.getByRole('list', { name: `Partitions of ${topic}` }).getByRole('listitem').count(), 6);
    }
    await page.getByText('publication').first().waitFor();
    await accessible(page);
  }));
}

test('follows an event through every stage', () => withPage({}, '/pipeline', async (page) => {
  await page.getByRole('button', { name: 'Write one and follow it' }).click();
  await page.getByText('is searchable.').waitFor();
  const steps = await page.locator('[data-step]').evaluateAll((rows) => rows.map((row) => row.dataset.step));
  assert.deepEqual(steps, ['postgres', 'kafka', 'indexer', 'searchable']);
  const kafka = await page.locator('[data-step=kafka]').innerText();
  assert.match(kafka, /event-created\/\d at \d+/);
  const [lsn, version] = kafka.trim().split('\t').slice(-2);
  assert.match(lsn, /^\d+$/);
  assert.match(version, /^\d+$/);
  await accessible(page);
}));

test('refuses without the operator\'s token', () => withPage({}, '/pipeline', async (page, context, problems) => {
  asOperator(page, 'wrong');
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await until(async () => assert.match(await page.getByRole('status').first().innerText(), /token/i));
  assert.equal(await page.evaluate(() => sessionStorage.getItem('operator-token')), null);
  problems.length = 0; // the browser logs the 401
}));

test('compares table and index', () => withPage({}, '/pipeline', async (page) => {
  asOperator(page);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await notice(page, 'Verify has begun.');
  // If anything differs, the comparison waits for the pipeline first.
  await until(async () => assert.match(await page.locator('.job').first().innerText(), /verify\s+done[\s\S]*rows compared/), 100_000);
}));

test('fits a phone', () => withPage({ viewport: { width: 360, height: 740 } }, '/pipeline', async (page) => {
  await page.locator('[data-stage=Elasticsearch]').waitFor();
  await fits(page);
}));
