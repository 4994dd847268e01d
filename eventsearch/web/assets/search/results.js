import { html } from '../vendor/htm-preact.js';
import { day, price, time } from '../format.js';
import { capital } from './filters.js';
import { marked } from './marked.js';

const statuses = { cancelled: 'bad', postponed: 'warn', sold_out: 'warn', draft: '' };

export function Status({ event }) {
  return event.status in statuses && html`<span class=${'badge ' + statuses[event.status]}>${capital(event.status)}</span>`;
}

export function Hits({ items, onOpen }) {
  return html`<ol class="hits">${items.map((item) => html`<${Hit} key=${item.id} item=${item} onOpen=${onOpen} />`)}</ol>`;
}

function Hit({ item, onOpen }) {
  const { event, highlight } = item;
  const date = day(event.starts_at);
  const place = [event.venue_name, event.city].filter(Boolean).join(', ') || 'Online';
  return html`<li class="hit card">
    <time class="day" datetime=${event.starts_at}><span>${date.month}</span><b>${date.day}</b><span>${date.year}</span></time>
    <div>
      <h2><button type="button" onClick=${() => onOpen(item.id)}>${highlight.title ? marked(highlight.title) : event.title}</button></h2>
      <p class="quiet small">${time(event.starts_at)} · ${place} · ${capital(event.category)}${item.distance_km != null ? ` · ${item.distance_km.toFixed(item.distance_km < 10 ? 1 : 0)} km` : ''}</p>
      ${(highlight.description || event.description) && html`<p class="teaser small">${highlight.description ? marked(highlight.description) : event.description}</p>`}
    </div>
    <div class="cost"><b class="number">${price(event)}</b><${Status} event=${event} /></div>
  </li>`;
}
