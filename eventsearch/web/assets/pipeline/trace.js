import { html, useRef, useState } from '../vendor/htm-preact.js';
import { duration } from '../format.js';
import { getJSON } from '../request.js';

const stages = ['postgres', 'kafka', 'indexer', 'searchable'];

// Trace writes an event, or takes the id of one, and shows each stage that its changes pass.
export function Trace({ say }) {
  const [steps, setSteps] = useState([]);
  const [state, setState] = useState('');
  const source = useRef(null);

  const follow = (id, since) => {
    source.current?.close();
    setSteps([]);
    setState(`Following ${id} …`);
    const events = new EventSource('/pipeline/api/trace/' + encodeURIComponent(id) + '?' + new URLSearchParams({ since: since.toISOString() }));
    source.current = events;
    events.addEventListener('step', (e) => setSteps((before) => [...before, JSON.parse(e.data)]));
    events.addEventListener('end', (e) => {
      const end = JSON.parse(e.data);
      events.close();
      setState(end.reason === 'searchable' ? `${id} is searchable.` : `${id}: ${end.detail || end.reason}.`);
    });
    events.onerror = () => { events.close(); setState(`The trace of ${id} broke off.`); };
  };
  const write = async () => {
    const since = new Date(Date.now() - 10_000); // clocks differ
    try {
      const starts = new Date(Date.now() + 30 * 86_400_000);
      const event = await getJSON('/pipeline/events', {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ title: 'Traced event', category: 'test', organizer: 'pipeline page', starts_at: starts.toISOString(), ends_at: new Date(starts.getTime() + 7_200_000).toISOString() }),
      });
      follow(event.id, since);
    } catch (error) {
      say(error.message);
    }
  };
  const take = (submitted) => {
    submitted.preventDefault();
    const id = new FormData(submitted.target).get('id').trim();
    if (id) follow(id, new Date(Date.now() - 10 * 60_000));
  };
  return html`<section class="card" aria-label="Trace an event">
    <h2>Trace an event</h2>
    <form class="inline" onSubmit=${take}>
      <button type="button" class="button main" onClick=${write}>Write one and follow it</button>
      <label>or an id, changed within 10 minutes <input class="field" name="id" maxlength="512" autocomplete="off" spellcheck=${false} /></label>
      <button class="button">Follow</button>
    </form>
    <p role="status" class="small quiet">${state}</p>
    ${steps.length > 0 && html`<div class="scroll"><table>
      <thead><tr><th>stage</th><th class="number">since commit</th><th>op</th><th>where</th><th class="number">LSN</th><th class="number">version</th></tr></thead>
      <tbody>${steps.map((s) => html`<tr key=${s.stage + s.topic + s.partition + s.offset} data-step=${s.stage}>
        <td>${stages.indexOf(s.stage) + 1}. ${s.stage}</td><td class="number">${s.since_commit_seconds != null ? duration(s.since_commit_seconds) : '–'}</td><td>${s.op}</td>
        <td class="place">${place(s)}${s.detail ? html`<br /><span class="quiet">${s.detail}</span>` : ''}</td><td class="number">${s.lsn}</td><td class="number">${s.version}</td></tr>`)}</tbody>
    </table></div>`}
  </section>`;
}

const place = (s) => (s.index ? s.index : s.stage === 'postgres' ? 'public.events' : `${s.topic}/${s.partition} at ${s.offset}`);
