// What the tests of the pages share.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';

const require = createRequire(process.env.BROWSER_MODULES + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const url = process.env.PAGE_URL;
const patience = 30_000; // milliseconds; a machine may be busy

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

// withPage opens a page in a context of its own. What the page logs as an error, or a script of it throws, fails the test.
export async function withPage(options, path, test) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-US', timezoneId: 'UTC', ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  try {
    if (await open(page, url + path)) problems.length = 0; // those of loading it before
    await test(page, context, problems);
    assert.deepEqual(problems, []);
  } catch (failure) {
    failure.message += problems.map((problem) => `\nthe page said: ${problem}`).join('');
    throw failure;
  } finally {
    await context.close();
  }
}

// open opens a page. A browser gives up what it is loading when the machine's networks change, which is when containers start
// or end; then it is told to load the page again. True says that it was.
async function open(page, address) {
  for (let attempt = 0; ; attempt++) {
    let changed = false;
    const note = (request) => { changed ||= request.failure()?.errorText === 'net::ERR_NETWORK_CHANGED'; };
    page.on('requestfailed', note);
    await page.goto(address).catch((failure) => { if (!failure.message.includes('ERR_NETWORK_CHANGED')) throw failure; changed = true; });
    page.off('requestfailed', note);
    if (!changed || attempt === 5) return attempt > 0;
  }
}

// until waits for a condition; the last failure is what is told when it never holds.
export async function until(condition, limit = patience) {
  const end = Date.now() + limit;
  for (;;) {
    try {
      return await condition();
    } catch (failure) {
      if (Date.now() > end) throw failure;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

// accessible checks the page as it is by axe's rules for WCAG 2.2 AA and best practices.
export async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary ?? ''}`).join(' | ')}`), []);
}

// fits says that nothing makes the page wider than the window.
export async function fits(page) {
  const { scroll, client } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
  assert.ok(scroll <= client, `the page is ${scroll} wide in a window of ${client}`);
}
