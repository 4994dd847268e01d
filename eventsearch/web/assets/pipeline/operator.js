import { getJSON } from '../request.js';

// The operator's token is asked for when it is first needed. It stays in this tab, and travels in a header only.

const name = 'operator-token';

export async function act(method, path, body) {
  const token = sessionStorage.getItem(name) ?? prompt('The operator\'s token (CDC_INDEXER_OPERATOR_TOKEN of the indexer)');
  if (!token) throw new Error('Nothing was done: this needs the operator\'s token.');
  try {
    const answer = await getJSON('/pipeline/api' + path, {
      method, body: body && JSON.stringify(body),
      headers: { Authorization: 'Bearer ' + token, ...(body && { 'Content-Type': 'application/json' }) },
    });
    sessionStorage.setItem(name, token);
    return answer;
  } catch (error) {
    if (error.status === 401) sessionStorage.removeItem(name);
    throw error;
  }
}
