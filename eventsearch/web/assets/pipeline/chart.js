import { html } from '../vendor/htm-preact.js';

const [width, height] = [600, 140];

// Chart draws two lines over the last minutes. A table beside it would be too much; the text says what the lines end at.
export function Chart({ title, samples, a, b, format }) {
  const values = samples.flatMap((s) => [s[a.key], s[b.key]]).filter((v) => v != null);
  const top = nice(Math.max(...values, 0));
  const last = samples.at(-1) ?? {};
  const minutes = samples.length > 1 ? (samples.at(-1).at - samples[0].at) / 60_000 : 0;
  return html`<section class="card chart" aria-label=${title}>
    <h2>${title}</h2>
    <svg viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label=${`${title}: ${a.name} ${format(last[a.key])}, ${b.name} ${format(last[b.key])}`}>
      ${[0, 0.5, 1].map((part) => html`<line class="grid" x1="0" x2=${width} y1=${y(part * top, top)} y2=${y(part * top, top)} />`)}
      <polyline class="line-a" points=${line(samples, a.key, top)} />
      <polyline class="line-b" points=${line(samples, b.key, top)} />
    </svg>
    <div class="legend"><span><${Swatch} of="line-a" /> ${a.name} <b class="number">${format(last[a.key])}</b></span>
      <span><${Swatch} of="line-b" /> ${b.name} <b class="number">${format(last[b.key])}</b></span>
      <span class="quiet">top of the chart ${format(top)}, ${minutes.toFixed(1)} min</span></div>
  </section>`;
}

const Swatch = ({ of }) => html`<svg viewBox="0 0 16 6" aria-hidden="true"><line class=${of} x1="0" x2="16" y1="3" y2="3" stroke-width="2" /></svg>`;
const y = (value, top) => height - 4 - (value / top) * (height - 8);
const line = (samples, key, top) => samples.map((s, n) => (s[key] == null ? '' : `${(n / Math.max(samples.length - 1, 1)) * width},${y(s[key], top).toFixed(1)}`)).join(' ');

// nice is the next 1, 2 or 5 with zeros.
function nice(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((n) => n * power >= value) * power;
}
