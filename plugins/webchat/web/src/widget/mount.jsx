import {render} from 'preact';
import controls from '../shared/controls.css';
import thread from '../shared/thread.css';
import tokens from '../shared/tokens.css';
import {PageContext} from './context.js';
import {Panel} from './panel.jsx';
import panel from './panel.css';
import {Session} from './session.js';
import {inkOn, lineOn, readSettings} from './settings.js';
import {VisitorStorage} from './storage.js';
import {words} from './words.js';

/**
 * Brings the panel to a launcher the loader drew and connects. Called once a page; returns what the launcher's click
 * does from then on.
 */
export function mount({account, base, script, host, root, launcher, icon, badge}) {
  const settings = readSettings(script.dataset);
  for (const css of [tokens, controls, thread, panel]) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  }
  if (settings.accent) {
    host.style.setProperty('--ch-accent', settings.accent);
    host.style.setProperty('--ch-on-accent', inkOn(settings.accent));
    const drawLine = () => {
      const [ground, ink] = ['--ch-raised', '--ch-ink'].map((name) => getComputedStyle(host).getPropertyValue(name).trim());
      host.style.setProperty('--ch-accent-line', lineOn(settings.accent, ground, ink));
    };
    drawLine();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawLine);
  }
  if (settings.locale) host.lang = settings.locale;

  const url = new URL('socket', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const session = new Session(url.href, base, new VisitorStorage(account), new PageContext(script));
  const place = root.appendChild(document.createElement('div'));
  let open = false;

  const draw = () => render(<Panel session={session} settings={settings} open={open} onClose={() => show(false)} />, place);
  const label = () => {
    const n = session.state.unread.length;
    badge.textContent = n === 0 ? '' : n > 9 ? '9+' : String(n);
    launcher.ariaLabel = open ? words.closeChat : n ? `${words.openChat}, ${words.unread(n)}` : words.openChat;
  };
  const show = (next) => {
    open = next;
    launcher.ariaExpanded = String(open);
    host.toggleAttribute('data-opened', open);
    icon.firstChild.setAttribute('d', open ? 'M6 9.5l6 6 6-6' : chatShape);
    label();
    draw();
    if (!open) launcher.focus();
  };
  const chatShape = icon.firstChild.getAttribute('d');

  session.subscribe(label);
  session.start();
  draw();
  return {toggle: () => show(!open)};
}
