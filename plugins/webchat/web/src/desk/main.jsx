import {render} from 'preact';
import {Api} from './api.js';
import {Desk} from './desk.jsx';
import {DeskStore} from './store.js';
import {takeToken} from './token.js';

const place = document.getElementById('desk');
const token = takeToken();
const store = token && new DeskStore(new Api(token));
const visible = () => document.visibilityState === 'visible' && place.getClientRects().length > 0;

render(<Desk store={store} />, place);
if (store) {
  // A page that comes back into view has been read from that moment on.
  document.addEventListener('visibilitychange', () => store.attend());
  new ResizeObserver(() => store.attend()).observe(place);
  store.start(visible);
}
