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
  const ground = luminanceOf(partsOf(hex));
  return 1.05 / (ground + 0.05) >= (ground + 0.05) / 0.05 ? '#ffffff' : '#000000';
}

/** An accent as it is drawn on a ground in lines: mixed with the ink until the two can be told apart (WCAG contrast, 3:1). */
export function lineOn(hex, ground, ink) {
  const [from, to, under] = [hex, ink, ground].map(partsOf);
  for (let part = 0; ; part += 0.05) {
    const mixed = from.map((c, i) => Math.round(c + (to[i] - c) * Math.min(1, part)));
    const [dark, light] = [luminanceOf(mixed), luminanceOf(under)].sort((a, b) => a - b);
    if (part >= 1 || (light + 0.05) / (dark + 0.05) >= 3) return `rgb(${mixed.join(' ')})`;
  }
}

function partsOf(hex) {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, '$&$&') : hex;
  return [1, 3, 5].map((i) => parseInt(full.slice(i, i + 2), 16));
}

function luminanceOf(parts) {
  const [r, g, b] = parts.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
