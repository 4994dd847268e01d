import { test } from 'node:test';
import { accessible, fits, withPage } from '../../internal/browser/lib.mjs';

test('shows a dead letter and replays it', () => withPage({ viewport: { width: 400, height: 900 } }, '/pipeline', async (page) => {
  page.on('dialog', (dialog) => dialog.accept(process.env.OPERATOR_TOKEN));
  const row = page.getByRole('row').filter({ hasText: process.env.LETTER_OF });
  await row.getByText('document_parsing_exception').waitFor();
  await fits(page);
  await row.getByRole('button').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('no date at all').first().waitFor();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await page.getByRole('main').getByText('Replayed: 1 stale').waitFor();
  await row.waitFor({ state: 'detached' });
}));
