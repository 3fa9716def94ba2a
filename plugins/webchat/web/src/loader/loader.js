/* global PANEL */
// The loader draws the launcher and nothing else. The panel comes with the first opening, or at once for a visitor
// who has talked before, to show what is unread.
import css from './loader.css';

const script = document.currentScript;
const base = script && new URL('.', script.src);
const account = base && base.pathname.split('/').at(-2);
const svg = 'http://www.w3.org/2000/svg';
const chat = 'M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v8a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 14.5z';

function begin() {
  const settings = script.dataset;
  const target = settings.target && document.querySelector(settings.target);
  const host = document.createElement('div');
  host.toggleAttribute('data-contained', Boolean(target));
  for (const name of ['theme', 'position']) {
    if (settings[name]) host.dataset[name] = settings[name];
  }
  const root = host.attachShadow({mode: 'open'});
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];

  const launcher = document.createElement('button');
  launcher.type = 'button';
  launcher.className = 'launcher';
  launcher.ariaLabel = 'Open chat';
  launcher.ariaExpanded = 'false';
  const icon = launcher.appendChild(document.createElementNS(svg, 'svg'));
  icon.setAttribute('viewBox', '0 0 24 24');
  icon.setAttribute('aria-hidden', 'true');
  icon.appendChild(document.createElementNS(svg, 'path')).setAttribute('d', chat);
  const badge = launcher.appendChild(document.createElement('span'));
  badge.className = 'badge';
  badge.ariaHidden = 'true';
  root.append(launcher);
  (target || document.body).append(host);

  let panel;
  const load = () => panel ||= import(new URL(PANEL, base).href)
    .then((module) => module.mount({account, base: base.href, script, host, root, launcher, icon, badge}))
    .catch((error) => {
      panel = undefined; // a later click tries again
      throw error;
    });
  const open = () => load().then((p) => {
    launcher.title = '';
    p.toggle();
  }, () => {
    launcher.ariaLabel = launcher.title = 'The chat could not be loaded. Try again.';
    badge.textContent = '!';
  });
  launcher.addEventListener('click', open);

  let known = false;
  try {
    known = localStorage.getItem(`channelhub:${account}:token`) !== null;
  } catch {
    // Storage is blocked: every page begins anew.
  }
  if ('open' in settings) open();
  else if (known) load().catch(() => {});
}

// One launcher a page, however often the tag stands in it.
const mark = Symbol.for(`channelhub ${base}`);
if (base && !window[mark]) {
  window[mark] = true;
  if (document.body) begin();
  else document.addEventListener('DOMContentLoaded', begin);
}
