import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits, until, withPage } from '../../../internal/browser/lib.mjs';

const heading = (page) => page.getByRole('heading', { level: 1 });
const box = (page) => page.getByRole('combobox', { name: 'Search for events' });
const hits = (page) => page.locator('.hit');
const shows = (page, text) => until(async () => assert.equal(await heading(page).innerText(), text));

test('finds while somebody types, and marks what matches', () => withPage({}, '/', async (page) => {
  await shows(page, '47 events');
  await box(page).pressSequentially('opera');
  await shows(page, '1 event');
  assert.equal(await hits(page).locator('mark').first().innerText(), 'Opera');
  assert.match(await hits(page).first().innerText(), /Sold out/);
  await until(() => assert.equal(new URL(page.url()).search, '?q=opera'));
}));

test('takes every key, however fast', () => withPage({}, '/', async (page) => {
  await shows(page, '47 events');
  for (const text of ['opera gala and a jazz evening with many guests', 'trio', 'the quick brown fox jumps over the lazy dog']) {
    await box(page).fill('');
    await box(page).pressSequentially(text);
    assert.equal(await box(page).inputValue(), text);
    await until(() => assert.equal(new URL(page.url()).searchParams.get('q'), text));
  }
}));

test('an answer that is overtaken never replaces a newer one', () => withPage({}, '/', async (page) => {
  await shows(page, '47 events');
  let late;
  const held = new Promise((resolve) => { late = resolve; });
  await page.route('**/events?q=jazz*', async (route) => { await held; await route.continue().catch(() => {}); });
  await box(page).fill('jazz');
  await page.waitForRequest('**/events?q=jazz*');
  await box(page).fill('opera');
  await shows(page, '1 event');
  late();
  await page.unrouteAll({ behavior: 'wait' });
  await shows(page, '1 event');
}));

test('completes by keyboard alone', () => withPage({}, '/', async (page) => {
  await box(page).focus();
  await page.keyboard.type('op');
  const option = page.getByRole('option').first();
  await option.waitFor();
  await page.keyboard.press('ArrowDown');
  assert.equal(await option.getAttribute('aria-selected'), 'true');
  assert.equal(await box(page).getAttribute('aria-activedescendant'), await option.getAttribute('id'));
  await page.keyboard.press('Enter');
  await until(async () => assert.equal(await box(page).inputValue(), 'Opera gala'));
  await shows(page, '1 event');
  await page.locator('.hit button').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText('Starts').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}));

test('facets filter, and the back button takes them back', () => withPage({}, '/?q=jazz', async (page) => {
  await shows(page, '45 events');
  await page.getByRole('checkbox', { name: /Wien/ }).check();
  await shows(page, '15 events');
  await page.getByRole('checkbox', { name: /Festival/ }).check();
  await shows(page, '7 events');
  assert.equal(new URL(page.url()).search, '?q=jazz&category=festival&city=Wien');
  await page.goBack();
  await shows(page, '15 events');
  await page.getByRole('button', { name: 'Wien (remove)' }).click();
  await shows(page, '45 events');
  await page.getByLabel('Month').selectOption('2030-03');
  await shows(page, '4 events');
  await page.getByLabel('Month').selectOption('');
  await page.getByLabel('At most').fill('20');
  await page.getByLabel('At most').blur();
  await shows(page, '3 events');
}));

test('shows more by cursor, each event once', () => withPage({}, '/?q=jazz', async (page) => {
  await shows(page, '45 events');
  for (const n of [40, 45]) {
    await page.getByRole('button', { name: 'More events' }).click();
    await until(async () => assert.equal(await hits(page).count(), n));
  }
  assert.equal(await page.getByRole('button', { name: 'More events' }).count(), 0);
  const titles = await page.locator('.hit h2').allInnerTexts();
  assert.equal(new Set(titles).size, 45);
}));

test('shows an event, also by its address', () => withPage({}, '/?q=opera', async (page) => {
  await page.getByRole('button', { name: 'Opera gala' }).click();
  const dialog = page.getByRole('dialog', { name: 'Opera gala' });
  await dialog.getByText('Thursday, May 1, 2031').first().waitFor();
  await dialog.getByText('in the index').waitFor();
  await page.reload();
  await dialog.getByText('in the index').waitFor();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  await shows(page, '1 event');
}));

test('finds what is near, on a map', () => withPage({ geolocation: { latitude: 48.21, longitude: 16.36 }, permissions: ['geolocation'] }, '/', async (page) => {
  await shows(page, '47 events');
  await page.getByRole('button', { name: 'Near me' }).click();
  await shows(page, '15 events');
  assert.match(await hits(page).first().innerText(), /1\.\d km/);
  await page.getByRole('button', { name: 'Map' }).click();
  const place = page.getByRole('button', { name: /Wien: Jazz evening/ });
  await place.waitFor();
  await place.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText('Starts').waitFor();
}));

test('an event\'s text is never more than text', () => withPage({}, '/?q=night', async (page) => {
  await shows(page, '1 event');
  assert.match(await hits(page).first().innerText(), /<img src=x onerror=.*<script>.*Night & <b>Day<\/b>/s);
  await hits(page).getByRole('button').click();
  await page.getByRole('dialog').getByText('Starts').waitFor();
  assert.equal(await page.locator('#page img:not(.brand img)').count(), 0);
  assert.equal(await page.locator('#page script').count(), 0);
  assert.equal(await page.title(), 'Find events');
}));

test('says what to do when nothing is found', () => withPage({}, '/?q=opara&city=Wien', async (page) => {
  await page.getByRole('button', { name: 'Without filters' }).click();
  await shows(page, '1 event'); // a small typo is none
  await box(page).fill('xyzzy');
  await page.getByText('Nothing was found for “xyzzy”').waitFor();
  await page.getByText('Other or fewer words may help.').waitFor();
}));

test('says so when the search refuses, and tries again', () => withPage({}, '/', async (page, context, problems) => {
  await shows(page, '47 events');
  await page.route('**/events?*', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"the index does not answer, or has too much to do; try again"}' }));
  await box(page).fill('jazz');
  await page.getByRole('alert').getByText('the index does not answer').waitFor();
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Try again' }).click();
  await shows(page, '45 events');
  problems.length = 0; // the browser logs each answer of 503
}));

for (const colorScheme of ['light', 'dark']) {
  test(`anybody can use it: ${colorScheme}`, () => withPage({ colorScheme }, '/?q=jazz&category=concert', async (page) => {
    await shows(page, '23 events');
    await accessible(page);
    await page.getByRole('button', { name: 'Map' }).click();
    await page.locator('circle').first().waitFor();
    await accessible(page);
  }));
}

test('the theme can be chosen, and stays', () => withPage({ colorScheme: 'light' }, '/', async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: 'Dark' }).click();
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await ground(), dark);
}));

test('works on a phone', () => withPage({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, '/?q=jazz', async (page) => {
  await shows(page, '45 events');
  await fits(page);
  await page.getByText('Filters', { exact: true }).click();
  await page.getByRole('checkbox', { name: /Wien/ }).check();
  await shows(page, '15 events');
  await fits(page);
  await accessible(page);
  await hits(page).first().getByRole('button').click();
  await page.getByRole('dialog').getByText('Starts').waitFor();
  await fits(page);
}));
