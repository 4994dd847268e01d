import { html } from '../vendor/htm-preact.js';

// marked shows a highlight: escaped HTML with <mark> around what matches. It is parsed into a document of its own, which
// runs nothing and loads nothing, and only its text and marks are taken over.
export function marked(text) {
  const parsed = new DOMParser().parseFromString(text, 'text/html');
  return [...parsed.body.childNodes].map((node) => (node.nodeName === 'MARK' ? html`<mark>${node.textContent}</mark>` : node.textContent));
}
