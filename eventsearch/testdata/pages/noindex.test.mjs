import { test } from 'node:test';
import { withPage } from '../../../internal/browser/lib.mjs';

test('says that there is no index yet', () => withPage({}, '/', async (page, context, problems) => {
  await page.getByRole('alert').getByText('there is no index yet').waitFor();
  await page.getByRole('button', { name: 'Try again' }).waitFor();
  problems.length = 0; // the browser logs each answer of 503
}));
