import { html, useEffect, useState } from '../vendor/htm-preact.js';
import { getJSON, isAbort } from '../request.js';

const kinds = { title: 'event', city: 'city', venue: 'venue', organizer: 'organizer' };

// Box is the search field, a combobox with what could be meant. Its text is the query's own: a copy of it could be
// overwritten by an older one while somebody types fast.
export function Box({ text: typed, onSearch: search }) {
  const [options, setOptions] = useState([]);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);

  useSuggestions(typed, open, setOptions);

  const type = (value) => { setOpen(true); setActive(-1); search(value); };
  const choose = (value) => { setOpen(false); setActive(-1); search(value); };
  const shown = open && options.length > 0;

  const onKeyDown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length > 0) {
      event.preventDefault();
      setOpen(true);
      // one place more than there are options: the field itself, which is -1
      const places = options.length + 1;
      setActive((active + 1 + step + places) % places - 1);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (shown && options[active]) choose(options[active].text); else setOpen(false);
    } else if (event.key === 'Escape' && shown) {
      event.preventDefault();
      setOpen(false);
    }
  };

  return html`<div class="box" role="search">
    <label class="unseen" for="q">Search for events, artists, places</label>
    <input id="q" class="field" type="text" inputmode="search" enterkeyhint="search" maxlength="200" autocomplete="off" spellcheck=${false}
      placeholder="Search for events, artists, places …" role="combobox" aria-autocomplete="list" aria-expanded=${shown}
      aria-controls="options" aria-activedescendant=${shown && options[active] ? 'option-' + active : undefined}
      value=${typed} onInput=${(e) => type(e.target.value)} onKeyDown=${onKeyDown} onBlur=${() => setOpen(false)} />
    <ul id="options" class="options card" role="listbox" aria-label="Suggestions" hidden=${!shown}>
      ${options.map((option, n) => html`<li key=${option.kind + option.text} id=${'option-' + n} role="option" aria-selected=${n === active}
        onMouseDown=${(e) => { e.preventDefault(); choose(option.text); }}>
        <span>${option.text}</span><span class="quiet small">${option.kind}</span></li>`)}
    </ul>
  </div>`;
}

// useSuggestions asks a moment after the last key. An answer that comes too late is thrown away.
function useSuggestions(typed, open, setOptions) {
  useEffect(() => {
    if (!open || !typed.trim()) { setOptions([]); return undefined; }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await getJSON('/suggest?' + new URLSearchParams({ q: typed.trim().slice(0, 100) }), { signal: abort.signal });
        const completions = found.completions.slice(0, 7).map((c) => ({ text: c.text, kind: kinds[c.kind] ?? c.kind }));
        setOptions(completions.length === 0 && found.did_you_mean ? [{ text: found.did_you_mean, kind: 'did you mean?' }] : completions);
      } catch (error) {
        if (!isAbort(error)) setOptions([]); // a search without suggestions is a search all the same
      }
    }, 120);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [typed, open]);
}
