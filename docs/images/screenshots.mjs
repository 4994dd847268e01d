// Takes the pictures of both pages from a running system: `make screenshots`, while `make demo` writes.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(process.env.BROWSER_MODULES + '/');
const { chromium } = require('playwright-core');
const folder = dirname(fileURLToPath(import.meta.url));
const base = process.env.PAGE_URL ?? `http://localhost:${process.env.EVENTSEARCH_PORT ?? 8081}`;
const token = process.env.CDC_INDEXER_OPERATOR_TOKEN ?? 'operator';

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });

async function picture(name, options, path, prepare) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 840 }, locale: 'en-US', ...options });
  const page = await context.newPage();
  page.on('dialog', (dialog) => dialog.accept(token));
  await page.goto(base + path);
  await prepare(page);
  await page.screenshot({ path: join(folder, name) });
  await context.close();
}

const hits = (page) => page.locator('.hit').first().waitFor();

await picture('search-light.png', {}, '/?q=festival+berlin', hits);
await picture('search-dark.png', { colorScheme: 'dark' }, '/?q=festival&view=map', (page) => page.locator('circle').first().waitFor());
await picture('search-phone.png', { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 }, '/?q=festival', hits);
await picture('pipeline.png', { viewport: { width: 1440, height: 1000 } }, '/pipeline', async (page) => {
  await page.locator('[data-stage=Elasticsearch]').waitFor();
  await page.waitForFunction(() => document.querySelector('.chart polyline')?.getAttribute('points').split(' ').length > 12, null, { timeout: 60_000 });
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await page.getByRole('button', { name: 'Write one and follow it' }).click();
  await page.locator('[data-step=searchable]').waitFor();
  await page.locator('.job').first().waitFor();
});
await browser.close();
