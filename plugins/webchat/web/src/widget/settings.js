import {words} from './words.js';

const mostStarters = 4;

/**
 * Reads the `data-` attributes of the script tag. Whatever is missing or makes no sense falls back to what we ship;
 * a wrong attribute never breaks the page it stands in.
 */
export function readSettings(data) {
  return {
    title: data.title || words.title,
    subtitle: data.subtitle || '',
    greeting: data.greeting || words.greeting,
    starters: (data.starters || '').split('|').map((s) => s.trim()).filter(Boolean).slice(0, mostStarters),
    locale: localeOf(data.locale),
    accent: /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.test(data.accent || '') ? data.accent : '',
  };
}

function localeOf(tag) {
  try {
    return tag ? Intl.getCanonicalLocales(tag)[0] : undefined;
  } catch {
    return undefined;
  }
}

/** The better of our two inks on a ground of this colour (WCAG contrast). */
export function inkOn(hex) {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, '$&$&') : hex;
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(full.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? '#ffffff' : '#000000';
}
