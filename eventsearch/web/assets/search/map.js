import { html, useEffect, useMemo, useState } from '../vendor/htm-preact.js';
import { getJSON } from '../request.js';

// Map draws the events on outlines of the land: tiles would have to come from somebody else's server.
export function Map({ items, onOpen }) {
  const land = useLand();
  const places = useMemo(() => byPlace(items), [items]);
  if (places.length === 0) return html`<p class="card state">None of these events has a place on the map.</p>`;
  const view = frame(places);
  const dot = view.width / 90;
  return html`<div class="card map">
    <svg viewBox=${`${view.x} ${view.y} ${view.width} ${view.height}`} role="group" aria-label="Map of the events">
      ${land && html`<path class="land" d=${land} />`}
      ${places.map((place) => html`<circle key=${place.key} cx=${place.x} cy=${place.y} r=${dot * Math.min(1 + Math.log2(place.items.length) / 2, 3)} stroke-width=${dot / 5}
        tabindex="0" role="button" aria-label=${label(place)} onClick=${() => onOpen(place.items[0].id)}
        onKeyDown=${(e) => (e.key === 'Enter' || e.key === ' ') && (e.preventDefault(), onOpen(place.items[0].id))}><title>${label(place)}</title></circle>`)}
    </svg>
    <p class="quiet small">The first ${items.length} events that were found. Land: Natural Earth.</p>
  </div>`;
}

const label = ({ items }) => `${items[0].event.city ?? ''}: ${items[0].event.title}${items.length > 1 ? ` and ${items.length - 1} more` : ''}`;

// Degrees are drawn as they are; northern latitudes are stretched as Mercator does it.
const x = (longitude) => longitude;
const y = (latitude) => -Math.log(Math.tan(Math.PI / 4 + (Math.max(-80, Math.min(80, latitude)) * Math.PI) / 360)) * (180 / Math.PI);

function byPlace(items) {
  const places = {};
  for (const item of items) {
    const { latitude, longitude } = item.event;
    if (latitude == null || longitude == null) continue;
    const key = `${Number(latitude).toFixed(1)},${Number(longitude).toFixed(1)}`;
    places[key] ??= { key, x: x(Number(longitude)), y: y(Number(latitude)), items: [] };
    places[key].items.push(item);
  }
  return Object.values(places);
}

// frame is the part of the world that holds all places, with room around them.
function frame(places) {
  const [xs, ys] = [places.map((p) => p.x), places.map((p) => p.y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const width = Math.max((right - left) * 1.15, (bottom - top) * 1.15 * 1.7, 12);
  const height = width / 1.7;
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}

function useLand() {
  const [land, setLand] = useState('');
  useEffect(() => { getJSON('/assets/vendor/land-110m.json').then((topology) => setLand(outline(topology)), () => {}); }, []);
  return land;
}

// outline decodes TopoJSON: arcs are differences of integers, and shapes are lists of arcs, ~n being arc n backwards.
function outline({ arcs, transform: { scale, translate }, objects }) {
  const decoded = arcs.map((arc) => {
    let [a, b] = [0, 0];
    return arc.map(([da, db]) => [(a += da) * scale[0] + translate[0], (b += db) * scale[1] + translate[1]]);
  });
  const ring = (list) => list.flatMap((n, at) => (n < 0 ? decoded[~n].toReversed() : decoded[n]).slice(at === 0 ? 0 : 1));
  const polygons = objects.land.geometries.flatMap((g) => (g.type === 'Polygon' ? [g.arcs] : g.arcs)).flat();
  return polygons.map((list) => path(ring(list))).join('');
}

// path lifts the pen where a shape leaves the map on one side and comes back on the other.
function path(points) {
  return points.map(([a, b], n) => `${n === 0 || Math.abs(a - points[n - 1][0]) > 180 ? 'M' : 'L'}${x(a).toFixed(2)},${y(b).toFixed(2)}`).join('');
}
