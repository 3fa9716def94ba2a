import {render} from 'preact';
import {Api} from './api.js';
import {Desk} from './desk.jsx';
import {DeskStore} from './store.js';
import {takeToken} from './token.js';

const place = document.getElementById('desk');
const token = takeToken();
const store = token && new DeskStore(new Api(token));
const visible = () => document.visibilityState === 'visible' && place.getClientRects().length > 0;

// A file that misses its place would take the page away, with all that is written on it.
for (const type of ['dragover', 'drop']) {
  window.addEventListener(type, (event) => {
    if (event.defaultPrevented || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'none';
  });
}

render(<Desk store={store} />, place);
if (store) {
  // A page that comes back into view has been read from that moment on.
  document.addEventListener('visibilitychange', () => store.attend());
  new ResizeObserver(() => store.attend()).observe(place);
  window.addEventListener('beforeunload', (event) => {
    if (store.sending.fragile) event.preventDefault();
  });
  store.start(visible);
}
