// JSON over HTTP. A failure is an Error that says what a person can do about it, with the status as .status.

export async function getJSON(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { ...options, headers: { Accept: 'application/json', ...options.headers } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The server cannot be reached. Check the connection and try again.');
  }
  const text = await answer.text();
  let body = {};
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    if (answer.ok) throw new Error('The server gave an answer that cannot be read.');
  }
  if (answer.ok) return body;
  const details = (body.errors ?? []).map((e) => `${(e.location ?? '').split('.').pop()}: ${e.message}`);
  const failure = new Error([body.detail ?? `The server answered ${answer.status}.`, ...details].join(' '));
  failure.status = answer.status;
  throw failure;
}

export const isAbort = (error) => error?.name === 'AbortError';
