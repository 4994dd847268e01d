import { useEffect, useRef, useState } from '../vendor/htm-preact.js';
import { getJSON, isAbort } from '../request.js';

const pause = 2000; // milliseconds between two looks
const kept = 150; // looks in the charts: five minutes

// useWatch looks at everything again and again. Rates are differences between two looks.
export function useWatch() {
  const [state, setState] = useState({ history: [] });
  const last = useRef(null);
  useEffect(() => {
    const abort = new AbortController();
    let timer;
    const look = async () => {
      try {
        const ask = (path) => getJSON('/pipeline/api' + path, { signal: abort.signal });
        const [status, freshness, jobs] = await Promise.all([ask('/status'), ask('/freshness?last=500'), ask('/jobs')]);
        const now = sum(status, performance.now() / 1000);
        const rates = rate(last.current, now);
        last.current = now;
        const sample = { at: Date.now(), written: rates.written, applied: rates.applied, lag: now.lag, p50: freshness.p50_seconds, p95: freshness.p95_seconds };
        setState((before) => ({ status, freshness, jobs: jobs.items, rates, lag: now.lag, history: [...before.history, sample].slice(-kept) }));
      } catch (error) {
        if (isAbort(error)) return;
        setState((before) => ({ ...before, error }));
      }
      timer = setTimeout(look, document.hidden ? 5 * pause : pause);
    };
    look();
    return () => { abort.abort(); clearTimeout(timer); };
  }, []);
  return state;
}

function sum(status, at) {
  const topics = {};
  let [written, applied, lag] = [0, 0, 0];
  for (const p of status.facts.kafka?.partitions ?? []) {
    const done = Math.max(p.committed, p.first);
    topics[p.topic] = (topics[p.topic] ?? 0) + p.end;
    written += p.end;
    applied += done;
    lag += Math.max(p.end - done, 0);
  }
  return { at, topics, written, applied, lag };
}

function rate(before, now) {
  const seconds = before && now.at - before.at;
  const per = (a, b) => (seconds > 0 ? Math.max((b - a) / seconds, 0) : 0);
  if (!before) return { written: 0, applied: 0, topics: {} };
  return {
    written: per(before.written, now.written), applied: per(before.applied, now.applied),
    topics: Object.fromEntries(Object.entries(now.topics).map(([name, end]) => [name, per(before.topics[name] ?? end, end)])),
  };
}
