import { html, useState } from './vendor/htm-preact.js';

// Theme switches between light and dark. Until somebody does, the system's choice is followed.
export function Theme() {
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const [isDark, setDark] = useState(dark);
  const change = () => {
    document.documentElement.dataset.theme = isDark ? 'light' : 'dark';
    localStorage.setItem('theme', document.documentElement.dataset.theme);
    setDark(dark());
  };
  return html`<button type="button" class="button small" aria-pressed=${isDark} onClick=${change}>Dark</button>`;
}
