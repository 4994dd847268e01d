import { html, useEffect, useRef, useState } from '../vendor/htm-preact.js';
import { count, duration, longDate, price } from '../format.js';
import { getJSON, isAbort } from '../request.js';
import { capital } from './filters.js';
import { Status } from './results.js';

// Details is a dialog with everything about one event, as it is indexed now.
export function Details({ id, onClose }) {
  const dialog = useRef(null);
  const [state, setState] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    setState({});
    dialog.current.showModal();
    getJSON('/events/' + encodeURIComponent(id), { signal: abort.signal })
      .then((found) => setState({ found }), (error) => !isAbort(error) && setState({ error }));
    return () => abort.abort();
  }, [id]);
  const { found, error } = state;
  return html`<dialog ref=${dialog} aria-labelledby="event-title" onClose=${onClose} onClick=${(e) => e.target === dialog.current && dialog.current.close()}>
    <div class="event">
      <header>
        <h2 id="event-title">${found ? found.event.title : error ? 'This event cannot be shown' : 'One moment …'}</h2>
        <button type="button" class="button" onClick=${() => dialog.current.close()}>Close</button>
      </header>
      ${error && html`<p role="alert">${error.status === 404 ? 'It does not exist any more.' : error.message}</p>`}
      ${found && html`<${Event} event=${found.event} freshness=${found.freshness} />`}
    </div>
  </dialog>`;
}

function Event({ event, freshness }) {
  const took = (new Date(freshness.indexed_at) - new Date(freshness.committed_at)) / 1000;
  const rows = [
    ['Starts', longDate(event.starts_at)], ['Ends', longDate(event.ends_at)],
    ['Where', [event.venue_name, event.venue_address, event.city, event.country].filter(Boolean).join(', ') || 'Online'],
    ['Tickets', [price(event), event.tickets_available != null && `${count(event.tickets_available)} left${event.capacity ? ` of ${count(event.capacity)}` : ''}`].filter(Boolean).join(' · ')],
    ['Organizer', event.organizer], ['Category', capital(event.category)],
  ];
  return html`
    <p><${Status} event=${event} /></p>
    <dl>${rows.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    ${event.description && html`<p class="text">${event.description}</p>`}
    ${event.tags?.length > 0 && html`<p class="chips" aria-label="Tags">${event.tags.map((tag) => html`<span class="badge">${tag}</span> `)}</p>`}
    <footer class="quiet small">Last changed ${longDate(freshness.committed_at)}${took >= 0 ? `, in the index ${duration(took)} later` : ''}. Version ${event.version}.</footer>`;
}
