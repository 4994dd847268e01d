// Dates, prices and numbers in the reader's own way.

const locale = navigator.language;
const dayFormat = new Intl.DateTimeFormat(locale, { day: 'numeric' });
const monthFormat = new Intl.DateTimeFormat(locale, { month: 'short' });
const yearFormat = new Intl.DateTimeFormat(locale, { year: 'numeric' });
const longFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });
const timeFormat = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
const namedMonth = new Intl.DateTimeFormat(locale, { month: 'long', year: 'numeric', timeZone: 'UTC' });
const numberFormat = new Intl.NumberFormat(locale);

export const day = (text) => ({ day: dayFormat.format(new Date(text)), month: monthFormat.format(new Date(text)), year: yearFormat.format(new Date(text)) });
export const longDate = (text) => longFormat.format(new Date(text));
export const time = (text) => timeFormat.format(new Date(text));
export const monthName = (text) => namedMonth.format(new Date(text + '-01T00:00:00Z'));
export const count = (number) => numberFormat.format(number);

// money takes decimal text. An amount that a double cannot hold exactly is shown with its digits as they are.
export function money(text, currency) {
  const number = Number(text);
  if (!currency || Math.abs(number) >= 1e13) return `${text} ${currency ?? ''}`.trim();
  try {
    return new Intl.NumberFormat(locale, { style: 'currency', currency, minimumFractionDigits: Number.isInteger(number) ? 0 : 2 }).format(number);
  } catch {
    return `${text} ${currency}`; // a currency that the browser does not know
  }
}

export function price(event) {
  if (event.price_min == null && event.price_max == null) return '';
  const lowest = event.price_min ?? event.price_max;
  const highest = event.price_max ?? event.price_min;
  if (Number(highest) === 0) return 'Free';
  if (lowest === highest) return money(lowest, event.currency);
  return `${money(lowest, event.currency)} – ${money(highest, event.currency)}`;
}

// duration takes seconds.
export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
