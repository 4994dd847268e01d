import { html, useEffect, useRef, useState } from '../vendor/htm-preact.js';
import { count, longDate } from '../format.js';
import { getJSON, isAbort } from '../request.js';
import { act } from './operator.js';

// Letters are the dead letters that are open. total makes it look again when it changes.
export function Letters({ total, say }) {
  const [letters, setLetters] = useState(null);
  const [shown, setShown] = useState(null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    getJSON('/pipeline/api/dead-letters?limit=20', { signal: abort.signal }).then(setLetters, (e) => !isAbort(e) && say(e.message));
    return () => abort.abort();
  }, [total, again]);
  const replay = async (which) => {
    try {
      const done = await act('POST', '/dead-letters/replay', which);
      const outcomes = Object.entries(done.outcomes ?? {}).map(([what, n]) => `${count(n)} ${what}`).join(', ');
      say(`Replayed: ${outcomes || 'none'}${done.open ? `; ${count(done.open)} stay open` : ''}.`, true);
      setShown(null);
    } catch (error) {
      say(error.message);
    }
    setAgain(again + 1);
  };
  return html`<section class="card" aria-label="Dead letters">
    <h2>Dead letters ${letters && html`<span class=${'badge ' + (letters.total ? 'bad' : 'good')}>${count(letters.total)}</span>`}</h2>
    ${letters?.total === 0 && html`<p class="quiet small">None: every message could be indexed.</p>`}
    ${letters?.total > 0 && html`
      <div class="scroll"><table><thead><tr><th>letter</th><th>reason</th><th>message</th><th>key</th><th><span class="unseen">details</span></th></tr></thead><tbody>
        ${letters.items.map((l) => html`<tr key=${l.id}><td class="number">${l.id}</td><td>${l.reason}</td><td class="number">${l.topic}/${l.partition}@${l.offset}</td><td>${l.document || l.key}</td>
          <td><button type="button" class="button small" onClick=${() => setShown(l.id)}>Details<span class="unseen"> of letter ${l.id}</span></button></td></tr>`)}
      </tbody></table></div>
      <p class="actions"><button type="button" class="button" onClick=${() => replay({ all: true })}>Replay all ${count(letters.total)}</button></p>`}
    ${shown && html`<${Letter} id=${shown} onClose=${() => setShown(null)} replay=${() => replay({ ids: [shown] })} />`}
  </section>`;
}

function Letter({ id, onClose, replay }) {
  const dialog = useRef(null);
  const [state, setState] = useState({});
  useEffect(() => {
    dialog.current.showModal();
    getJSON('/pipeline/api/dead-letters/' + encodeURIComponent(id)).then((letter) => setState({ letter }), (error) => setState({ error }));
  }, [id]);
  const { letter, error } = state;
  return html`<dialog ref=${dialog} aria-labelledby="letter-title" onClose=${onClose}><div class="inside">
    <h2 id="letter-title">Dead letter ${id}</h2>
    ${error && html`<p role="alert">${error.message}</p>`}
    ${letter && html`
      <p><b>${letter.reason}</b>: ${letter.detail}</p>
      <dl class="facts"><dt>message</dt><dd>${letter.topic}/${letter.partition} at ${letter.offset}</dd><dt>written</dt><dd>${longDate(letter.time)}</dd>
        <dt>became a letter</dt><dd>${longDate(letter.failed_at)}</dd><dt>the index holds</dt><dd>${letter.index.state}${letter.index.order ? ` of version ${letter.index.order.version}` : ''}</dd></dl>
      <pre tabindex="0" aria-label="The message">${letter.value ? JSON.stringify(letter.value, null, 1) : letter.value_base64}</pre>`}
    <p class="actions"><button type="button" class="button main" onClick=${replay}>Replay</button>
      <button type="button" class="button" onClick=${() => dialog.current.close()}>Close</button></p>
  </div></dialog>`;
}
