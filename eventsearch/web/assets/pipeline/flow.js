import { html } from '../vendor/htm-preact.js';
import { count, duration } from '../format.js';

const arrow = html`<div class="arrow" aria-hidden="true">→</div>`;
const perSecond = (n) => `${n < 10 ? (n ?? 0).toFixed(1) : count(Math.round(n))}/s`;

export function bytes(n) {
  if (n == null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = n > 0 ? Math.min(Math.floor(Math.log2(n) / 10), units.length - 1) : 0;
  return `${(n / 1024 ** unit).toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

// Flow draws the stages from left to right, each with what its parts' findings say of it.
export function Flow({ watch, restart }) {
  const { facts, findings } = watch.status;
  const worst = (...parts) => worstOf(findings.filter((f) => parts.includes(f.part)));
  const slot = facts.database?.slot;
  const index = facts.index;
  const live = index?.write_alias?.map((t) => t.index).join(', ');
  return html`<div class="flow">
    <${Stage} name="Postgres" state=${worst('postgres', 'table', 'publication', 'slot')} facts=${[
      ['slot', slot ? (slot.active ? 'active' : 'inactive') : 'none'], ['log kept', bytes(slot?.retained_wal_bytes)], ['not confirmed', bytes(slot?.behind_bytes)],
    ]}><span class="big number">${perSecond(watch.rates.written)}</span><span class="quiet small">changes</span></${Stage}>
    ${arrow}
    <${Stage} name="Debezium" state=${worst('connector')} facts=${[
      ['connector', facts.connector?.state ?? 'unknown'], ...(facts.connector?.tasks ?? []).map((t) => [`task ${t.id}`, t.state]),
      ['heartbeat', facts.database?.heartbeat_age_ns != null ? `${duration(facts.database.heartbeat_age_ns / 1e9)} ago` : 'unknown'],
    ]}><button type="button" class="button small" onClick=${restart}>Restart</button></${Stage}>
    ${arrow}
    <${Stage} name="Kafka" state=${worst('kafka', 'topics', 'offsets')}>
      ${(facts.kafka?.topics ?? []).map((topic) => html`<${Topic} key=${topic.name} name=${topic.name} rate=${watch.rates.topics[topic.name]} partitions=${facts.kafka.partitions.filter((p) => p.topic === topic.name)} />`)}
    </${Stage}>
    ${arrow}
    <${Stage} name="Indexer" state=${worst('group', 'lag', 'indexer')} facts=${[
      ['members', count(facts.kafka?.members?.length ?? 0)], ['group', facts.kafka?.group_state ?? 'unknown'], ['lag', `${count(watch.lag)} messages`],
    ]}><span class="big number">${perSecond(watch.rates.applied)}</span><span class="quiet small">done</span></${Stage}>
    ${arrow}
    <${Stage} name="Elasticsearch" state=${worst('elasticsearch', 'index', 'mapping')} facts=${[
      ['index', live || 'none'], ['health', index?.indices?.find((i) => i.name === live)?.health || 'unknown'], ['p95', duration(watch.freshness.p95_seconds)],
    ]}><span class="big number">${duration(watch.freshness.p50_seconds)}</span><span class="quiet small">commit to index, median</span></${Stage}>
  </div>`;
}

const order = ['failed', 'warning', 'unknown', 'ok'];
const worstOf = (findings) => order.find((state) => findings.some((f) => f.state === state)) ?? 'unknown';
const words = { ok: 'good', warning: 'warn', failed: 'bad', unknown: '' };

export function State({ state }) {
  return html`<span class=${'badge ' + (words[state] ?? '')}>${state}</span>`;
}

function Stage({ name, state, facts = [], children }) {
  return html`<div class=${'stage ' + state} data-stage=${name}>
    <h2>${name} <${State} state=${state} /></h2>
    ${children}
    ${facts.length > 0 && html`<dl>${facts.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl>`}
  </div>`;
}

function Topic({ name, rate, partitions }) {
  return html`<div class="topic">
    <span>${name}</span>
    <div class="partitions" role="list" aria-label=${`Partitions of ${name}, with their lag`}>${partitions.map((p) => {
      const lag = Math.max(p.end - Math.max(p.committed, p.first), 0);
      return html`<span role="listitem" key=${p.partition} class=${'partition' + (lag > 0 ? ' behind' : '')} title=${`partition ${p.partition}: end ${p.end}, done ${p.committed}`}><span class="unseen">partition ${p.partition}: </span>${count(lag)}</span>`;
    })}</div>
    <span class="number">${perSecond(rate ?? 0)}</span>
  </div>`;
}
