import { html, render, useState } from '../vendor/htm-preact.js';
import { count, duration } from '../format.js';
import { Theme } from '../themeswitch.js';
import { Chart } from './chart.js';
import { Flow, State } from './flow.js';
import { Jobs } from './jobs.js';
import { Letters } from './letters.js';
import { act } from './operator.js';
import { Trace } from './trace.js';
import { useWatch } from './watch.js';

function Page() {
  const watch = useWatch();
  const [notice, setNotice] = useState(null);
  const say = (text, good = false) => setNotice({ text, good });
  const restart = async () => {
    try {
      await act('POST', '/connector/restart');
      say('The connector is being restarted.', true);
    } catch (error) {
      say(error.message);
    }
  };
  const { status, error } = watch;
  return html`
    <a class="skip" href="#main">To the pipeline</a>
    <header class="top"><div class="bar">
      <a class="brand" href="/"><img src="/assets/icon.svg" alt="" />Ticketing</a>
      <h1>Pipeline ${status && html`<${State} state=${status.ok ? 'ok' : 'failed'} />`}</h1>
      <${Theme} />
    </div></header>
    <main id="main" tabindex="-1">
      <div role="status">${notice && html`<p class=${'notice ' + (notice.good ? 'good' : '')}>${notice.text}</p>`}</div>
      ${error && html`<p class="notice" role="alert">${error.message}</p>`}
      ${!status && !error && html`<p class="quiet">Looking at everything …</p>`}
      ${status && html`
        <${Flow} watch=${watch} restart=${restart} />
        <div class="columns">
          <div>
            <${Trace} say=${say} />
            <${Chart} title="Messages a second" samples=${watch.history} a=${{ key: 'written', name: 'written to Kafka' }} b=${{ key: 'applied', name: 'done by the indexer' }} format=${(n) => count(Math.round((n ?? 0) * 10) / 10)} />
            <${Chart} title="Commit to index, of the last 500 changes" samples=${watch.history} a=${{ key: 'p50', name: 'median' }} b=${{ key: 'p95', name: '95 of 100' }} format=${duration} />
          </div>
          <div>
            <${Jobs} jobs=${watch.jobs} say=${say} />
            <${Letters} total=${Object.values(status.facts.dead_letters?.by_reason ?? {}).reduce((a, b) => a + b, 0)} say=${say} />
            <${Findings} findings=${status.findings} />
          </div>
        </div>`}
    </main>`;
}

const gravity = { failed: 0, warning: 1, unknown: 2, ok: 3 };

function Findings({ findings }) {
  const sorted = findings.toSorted((a, b) => gravity[a.state] - gravity[b.state]);
  return html`<section class="card" aria-label="Findings">
    <h2>What status says</h2>
    <ul class="findings">${sorted.map((f) => html`<li key=${f.part + f.summary}><${State} state=${f.state} /><span><b>${f.part}</b> ${f.summary}${f.action ? html` <span class="action">${f.action}</span>` : ''}</span></li>`)}</ul>
  </section>`;
}

render(html`<${Page} />`, document.getElementById('page'));
