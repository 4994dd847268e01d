// What is searched for, as the page's address has it and as the REST search wants it. The address is the only state: it
// can be shared, and the back button works.

const lists = ['category', 'city'];
const texts = ['q', 'month', 'price', 'from', 'to', 'near', 'within', 'sort', 'view', 'event'];

export function fromAddress(search) {
  const parameters = new URLSearchParams(search);
  const query = {};
  for (const name of lists) query[name] = parameters.getAll(name);
  for (const name of texts) query[name] = parameters.get(name) ?? '';
  return query;
}

export function toAddress(query) {
  const parameters = new URLSearchParams();
  for (const name of texts) if (query[name]) parameters.set(name, query[name]);
  for (const name of lists) for (const value of query[name]) parameters.append(name, value);
  const text = parameters.toString();
  return text ? '?' + text : location.pathname;
}

// searchURL leaves out what only changes how the answer is shown.
export function searchURL(query, cursor) {
  const parameters = new URLSearchParams();
  if (query.q.trim()) parameters.set('q', query.q.trim());
  for (const name of lists) for (const value of query[name]) parameters.append(name, escapeComma(value));
  const [from, to] = period(query);
  if (from) parameters.set('starts_from', from);
  if (to) parameters.set('starts_to', to);
  const [lowest, highest] = query.price.split('-');
  if (lowest) parameters.set('price_min', lowest);
  if (highest) parameters.set('price_max', highest);
  if (query.near) {
    parameters.set('near', query.near);
    parameters.set('within', query.within || '50');
  }
  if (query.sort && (query.sort !== 'distance' || query.near)) parameters.set('sort', query.sort);
  parameters.set('limit', query.view === 'map' ? '100' : '20');
  if (cursor) parameters.set('cursor', cursor);
  return '/events?' + parameters;
}

// escapeComma: the REST search takes lists with commas.
function escapeComma(value) {
  return value.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
}

// period is a chosen month, or a range of days in the reader's own time zone.
function period(query) {
  if (query.month) {
    const [year, month] = query.month.split('-').map(Number);
    return [new Date(Date.UTC(year, month - 1)).toISOString(), new Date(Date.UTC(year, month) - 1).toISOString()];
  }
  const from = query.from && new Date(query.from + 'T00:00:00');
  const to = query.to && new Date(query.to + 'T23:59:59.999');
  return [valid(from) ? from.toISOString() : '', valid(to) ? to.toISOString() : ''];
}

const valid = (date) => date && !Number.isNaN(date.getTime());

// key is what a new search is needed for.
export const key = (query) => searchURL(query);
