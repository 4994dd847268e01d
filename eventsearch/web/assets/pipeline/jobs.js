import { html } from '../vendor/htm-preact.js';
import { count, duration, time } from '../format.js';
import { act } from './operator.js';

const kinds = [
  ['Verify', { kind: 'verify' }, 'Compare every row with its document'],
  ['Verify and repair', { kind: 'verify', repair: true }, 'Mend exactly what differs'],
  ['Reindex', { kind: 'reindex' }, 'Build the index anew beside the live one, and swap'],
  ['Resume', { kind: 'resume' }, 'Go on with a build that was interrupted'],
  ['Abort', { kind: 'abort' }, 'Remove a build that was interrupted'],
  ['Roll back', { kind: 'rollback' }, 'Return to the index that was swapped out last'],
];

const grave = ['reindex', 'rollback', 'abort'];

export function Jobs({ jobs, say }) {
  const running = jobs.some((job) => job.state === 'running');
  const start = async (name, body) => {
    if (grave.includes(body.kind) && !confirm(`${name} now?`)) return;
    try {
      await act('POST', '/jobs', body);
      say(`${name} has begun.`, true);
    } catch (error) {
      say(error.message);
    }
  };
  const cancel = (job) => act('DELETE', '/jobs/' + job.id).catch((error) => say(error.message));
  return html`<section class="card" aria-label="Reindex and verify">
    <h2>Reindex and verify</h2>
    <div class="actions">${kinds.map(([name, body, title]) => html`<button type="button" class="button small" key=${name} title=${title} disabled=${running} onClick=${() => start(name, body)}>${name}</button>`)}</div>
    ${jobs.slice(0, 4).map((job) => html`<${Job} key=${job.id} job=${job} onCancel=${() => cancel(job)} />`)}
    ${jobs.length === 0 && html`<p class="quiet small">This indexer has run none yet.</p>`}
  </section>`;
}

const looks = { running: '', done: 'good', failed: 'bad', cancelled: 'warn' };

function Job({ job, onCancel }) {
  return html`<div class="job">
    <div class="actions"><b>${job.kind}${job.repair ? ' and repair' : ''}</b> <span class=${'badge ' + looks[job.state]}>${job.state}</span>
      <span class="quiet">since ${time(job.started_at)}${job.ended_at ? `, took ${duration((new Date(job.ended_at) - new Date(job.started_at)) / 1000)}` : ''}</span>
      ${job.state === 'running' && html`<button type="button" class="button small" onClick=${onCancel}>Cancel</button>`}</div>
    ${job.state === 'running' && html`
      <progress aria-label=${`Progress of ${job.kind}`} max=${job.total || 1} value=${job.total ? job.done : undefined}></progress>
      <span class="quiet small number">${job.phase}: ${count(job.done)}${job.total ? ` of about ${count(job.total)}` : ''}, ${count(Math.round(job.rate_per_second))}/s${job.eta_seconds != null ? `, ${duration(job.eta_seconds)} left` : ''}</span>`}
    ${job.error && html`<span class="small">${job.error}</span>`}
    ${job.state === 'done' && html`<span class="small">${outcome(job)}</span>`}
  </div>`;
}

// outcome is what a person wants to know of a result.
function outcome({ kind, result }) {
  if (!result) return '';
  if (kind === 'verify') {
    const found = ['missing', 'stale', 'differing', 'orphaned', 'ahead'].filter((k) => result[k] > 0).map((k) => `${count(result[k])} ${k}`);
    return `${count(result.rows ?? 0)} rows compared: ${found.length ? found.join(', ') : 'equal'}${result.repaired ? `; ${count(result.repaired)} mended` : ''}`;
  }
  return Object.entries(result).filter(([, v]) => ['string', 'number'].includes(typeof v)).map(([k, v]) => `${k} ${v}`).join(', ');
}
