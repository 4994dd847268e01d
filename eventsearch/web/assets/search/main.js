import { html, render, useEffect, useMemo, useState } from '../vendor/htm-preact.js';
import { count, monthName } from '../format.js';
import { getJSON, isAbort } from '../request.js';
import { Theme } from '../themeswitch.js';
import { Box } from './box.js';
import { Details } from './details.js';
import { capital, Filters } from './filters.js';
import { Map } from './map.js';
import { fromAddress, key, searchURL, toAddress } from './query.js';
import { Hits } from './results.js';

function Page() {
  const [query, change] = useAddress();
  const { answer, items, error, busy, more, retry } = useSearch(query);
  const [wide] = useState(() => matchMedia('(min-width: 50.01rem)').matches);
  const open = (event) => change({ event });
  return html`
    <a class="skip" href="#results">To the results</a>
    <header class="top"><div class="bar">
      <a class="brand" href="/"><img src="/assets/icon.svg" alt="" />Find events</a>
      <${Box} text=${query.q} onSearch=${(q) => change({ q }, true)} />
      <${Theme} />
    </div></header>
    <div class="layout">
      <details class="phone" open=${wide}><summary>Filters</summary>
        <${Filters} query=${query} facets=${answer?.facets} change=${change} />
      </details>
      <main id="results" tabindex="-1" aria-busy=${busy}>
        <${Above} query=${query} answer=${answer} error=${error} change=${change} />
        <${Chosen} query=${query} change=${change} />
        <${Found} query=${query} answer=${answer} items=${items} error=${error} busy=${busy} more=${more} retry=${retry} open=${open} change=${change} />
      </main>
    </div>
    ${query.event && html`<${Details} id=${query.event} onClose=${() => change({ event: '' })} />`}`;
}

// useAddress keeps the query in the address. While somebody types, the entry in the history is replaced, not added.
function useAddress() {
  const [query, setQuery] = useState(() => fromAddress(location.search));
  useEffect(() => {
    const back = () => setQuery(fromAddress(location.search));
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const change = (part, typing = false) => {
    const next = { ...fromAddress(location.search), ...part };
    history[typing ? 'replaceState' : 'pushState'](null, '', toAddress(next));
    setQuery(next);
  };
  return [query, change];
}

// useSearch searches a moment after the query has changed. A search that is overtaken by the next one is given up, so an older
// answer never stands in the place of a newer one.
function useSearch(query) {
  const [state, setState] = useState({ items: [], busy: true });
  const [attempt, setAttempt] = useState(0);
  const wanted = key(query);
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, busy: true }));
    const timer = setTimeout(async () => {
      try {
        const answer = await getJSON(wanted, { signal: abort.signal });
        setState({ answer, items: answer.items, next: answer.next_cursor, busy: false });
      } catch (error) {
        if (!isAbort(error)) setState({ items: [], error, busy: false });
      }
    }, 150);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [wanted, attempt]);

  const more = state.next && (async () => {
    setState((before) => ({ ...before, busy: true, trouble: undefined }));
    try {
      const page = await getJSON(searchURL(query, state.next));
      setState((before) => (before.next === state.next ? { ...before, items: [...before.items, ...page.items], next: page.next_cursor, busy: false } : before));
    } catch (error) {
      // 410: the index as it was for these pages is not kept any more
      if (error.status === 410) setAttempt(attempt + 1); else setState((before) => ({ ...before, error, busy: false }));
    }
  });
  return { ...state, more, retry: () => setAttempt(attempt + 1) };
}

function Above({ query, answer, error, change }) {
  const total = answer?.total;
  const text = error ? 'No answer' : total ? `${total.exact ? '' : 'More than '}${count(total.value)} ${total.value === 1 ? 'event' : 'events'}` : 'Searching …';
  return html`<div class="above">
    <h1><span role="status">${text}</span></h1>
    <label class="small quiet">Sort by <select class="field" value=${query.sort} onChange=${(e) => change({ sort: e.target.value })}>
      <option value="">${query.q.trim() ? 'Relevance' : 'Date'}</option>
      ${query.q.trim() && html`<option value="date">Date</option>`}
      <option value="price">Price</option>
      ${query.near && html`<option value="distance">Distance</option>`}
    </select></label>
    <div class="switch" role="group" aria-label="View">
      ${['', 'map'].map((view) => html`<button type="button" aria-pressed=${query.view === view} onClick=${() => change({ view })}>${view ? 'Map' : 'List'}</button>`)}
    </div>
  </div>`;
}

// Chosen are the filters at work, each to be taken away.
function Chosen({ query, change }) {
  const chips = [
    ...query.category.map((v) => [capital(v), { category: query.category.filter((c) => c !== v) }]),
    ...query.city.map((v) => [v, { city: query.city.filter((c) => c !== v) }]),
    query.month && [monthName(query.month), { month: '' }],
    (query.from || query.to) && [`${query.from || '…'} to ${query.to || '…'}`, { from: '', to: '' }],
    query.price && [`Price ${query.price.replace(/-$/, ' and more').replace('-', ' – ')}`, { price: '' }],
    query.near && [`Within ${query.within || 50} km`, { near: '', within: '', sort: query.sort === 'distance' ? '' : query.sort }],
  ].filter(Boolean);
  if (chips.length === 0) return null;
  return html`<div class="chips" role="group" aria-label="Filters at work">
    ${chips.map(([text, part]) => html`<button type="button" key=${text} onClick=${() => change(part)}>${text} <span aria-hidden="true">×</span><span class="unseen"> (remove)</span></button>`)}
  </div>`;
}

function Found({ query, answer, items, error, busy, more, retry, open, change }) {
  if (error) return html`<div class="card state" role="alert"><h2>The search does not answer</h2><p>${error.message}</p><button class="button main" type="button" onClick=${retry}>Try again</button></div>`;
  if (!answer) return null;
  if (items.length === 0) return html`<${Nothing} query=${query} change=${change} />`;
  if (query.view === 'map') return html`<${Map} items=${items} onOpen=${open} />`;
  return html`<${Hits} items=${items} onOpen=${open} />
    <div class="further">
      ${more && html`<button class="button" type="button" disabled=${busy} onClick=${more}>More events</button>`}
      <p class="quiet small">${count(items.length)} of ${count(answer.total.value)}${answer.total.exact ? '' : ' or more'}</p>
    </div>`;
}

function Nothing({ query, change }) {
  const [meant, setMeant] = useState('');
  const text = query.q.trim();
  const filtered = useMemo(() => query.category.length + query.city.length > 0 || query.month || query.from || query.to || query.price || query.near, [query]);
  useEffect(() => {
    setMeant('');
    if (!text) return undefined;
    const abort = new AbortController();
    getJSON('/suggest?' + new URLSearchParams({ q: text.slice(0, 100) }), { signal: abort.signal }).then((found) => setMeant(found.did_you_mean ?? ''), () => {});
    return () => abort.abort();
  }, [text]);
  return html`<div class="card state">
    <h2>Nothing was found${text ? ` for “${text}”` : ''}</h2>
    ${meant && html`<p>Did you mean <button type="button" class="button" onClick=${() => change({ q: meant })}>${meant}</button>?</p>`}
    <p class="quiet">${filtered ? 'Fewer filters may help.' : 'Other or fewer words may help.'}</p>
    ${filtered && html`<button type="button" class="button main" onClick=${() => change({ category: [], city: [], month: '', from: '', to: '', price: '', near: '', within: '' })}>Without filters</button>`}
  </div>`;
}

render(html`<${Page} />`, document.getElementById('page'));
