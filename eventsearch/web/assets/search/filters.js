import { html, useState } from '../vendor/htm-preact.js';
import { count, monthName } from '../format.js';

// Filters are the facets of the answer, and what is asked for beside them.
export function Filters({ query, facets, change }) {
  const toggle = (name, value) => change({ [name]: query[name].includes(value) ? query[name].filter((v) => v !== value) : [...query[name], value] });
  return html`<form class="filters card" aria-label="Filters" onSubmit=${(e) => e.preventDefault()}>
    <${Facet} title="Category" name="category" chosen=${query.category} found=${facets?.category} onToggle=${(v) => toggle('category', v)} label=${capital} />
    <${Facet} title="City" name="city" chosen=${query.city} found=${facets?.city} onToggle=${(v) => toggle('city', v)} />
    <${When} query=${query} months=${facets?.month} change=${change} />
    <${Prices} query=${query} bands=${facets?.price} change=${change} />
    <${Near} query=${query} change=${change} />
  </form>`;
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll('_', ' ');

const few = 6;

function Facet({ title, name, chosen, found, onToggle, label = (v) => v }) {
  const [all, setAll] = useState(false);
  // What is chosen stays in sight, also when nothing is found any more.
  const buckets = [...chosen.filter((v) => !found?.some((b) => b.value === v)).map((value) => ({ value, count: 0 })), ...(found ?? [])];
  if (buckets.length === 0) return null;
  const shown = all ? buckets : buckets.filter((b, n) => n < few || chosen.includes(b.value));
  return html`<fieldset>
    <legend>${title}</legend>
    ${shown.map(({ value, count: n }) => html`<label class="facet" key=${value}>
      <input type="checkbox" name=${name} checked=${chosen.includes(value)} onChange=${() => onToggle(value)} />
      <span title=${value}>${label(value)}</span><span class="quiet small number">${count(n)}</span>
    </label>`)}
    ${buckets.length > few && html`<button type="button" class="more-facets small" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? 'Fewer' : `All ${buckets.length}`}</button>`}
  </fieldset>`;
}

function When({ query, months, change }) {
  const known = months?.some((m) => m.value === query.month) || !query.month;
  return html`<fieldset class="stack">
    <legend>When</legend>
    <label>Month
      <select class="field" value=${query.month} onChange=${(e) => change({ month: e.target.value, from: '', to: '' })}>
        <option value="">Any</option>
        ${!known && html`<option value=${query.month}>${monthName(query.month)}</option>`}
        ${(months ?? []).map((m) => html`<option key=${m.value} value=${m.value}>${monthName(m.value)} (${count(m.count)})</option>`)}
      </select>
    </label>
    <div class="two days">
      <label>From <input class="field" type="date" value=${query.from} max=${query.to || undefined} onChange=${(e) => change({ from: e.target.value, month: '' })} /></label>
      <label>To <input class="field" type="date" value=${query.to} min=${query.from || undefined} onChange=${(e) => change({ to: e.target.value, month: '' })} /></label>
    </div>
  </fieldset>`;
}

function Prices({ query, bands, change }) {
  const [lowest = '', highest = ''] = query.price.split('-');
  const set = (low, high) => change({ price: low || high ? `${low}-${high}` : '' });
  const band = (b) => `${b.price_min}-${b.price_max ?? ''}`;
  return html`<fieldset class="stack">
    <legend>Price</legend>
    <div>
      ${(bands ?? []).filter((b) => b.count > 0).map((b) => html`<label class="facet" key=${band(b)}>
        <input type="radio" name="price" checked=${query.price === band(b)} onClick=${() => change({ price: query.price === band(b) ? '' : band(b) })} />
        <span>${b.price_max ? `${b.price_min} – ${b.price_max}` : `${b.price_min} and more`}</span><span class="quiet small number">${count(b.count)}</span>
      </label>`)}
    </div>
    <div class="two">
      <label>At least <input class="field" type="number" min="0" step="any" inputmode="decimal" value=${lowest} onChange=${(e) => set(amount(e), highest)} /></label>
      <label>At most <input class="field" type="number" min="0" step="any" inputmode="decimal" value=${highest} onChange=${(e) => set(lowest, amount(e))} /></label>
    </div>
  </fieldset>`;
}

// amount is what the search takes: no sign, two digits behind the point.
const amount = (event) => (event.target.value === '' || Number(event.target.value) < 0 ? '' : String(Math.round(Number(event.target.value) * 100) / 100));

function Near({ query, change }) {
  const [trouble, setTrouble] = useState('');
  const locate = () => {
    setTrouble('');
    if (!navigator.geolocation) { setTrouble('This browser does not tell where it is.'); return; }
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => change({ near: `${coords.latitude.toFixed(3)},${coords.longitude.toFixed(3)}`, within: query.within || '50', sort: 'distance' }),
      () => setTrouble('The browser did not tell where you are. Choose a city instead.'),
      { timeout: 10_000, maximumAge: 600_000 },
    );
  };
  return html`<fieldset class="stack">
    <legend>Where</legend>
    ${query.near
      ? html`<label>Within <select class="field" value=${query.within || '50'} onChange=${(e) => change({ within: e.target.value })}>
          ${['5', '10', '25', '50', '100', '250', '500'].map((km) => html`<option value=${km}>${km} km</option>`)}</select></label>
        <button type="button" class="button small" onClick=${() => change({ near: '', within: '', sort: query.sort === 'distance' ? '' : query.sort })}>Anywhere</button>`
      : html`<button type="button" class="button small" onClick=${locate}>Near me</button>`}
    ${trouble && html`<p class="small" role="alert">${trouble}</p>`}
  </fieldset>`;
}
