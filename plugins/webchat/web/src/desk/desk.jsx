import {useEffect, useLayoutEffect, useRef, useState} from 'preact/hooks';
import {Icon} from '../shared/icons.jsx';
import {Contact} from './contact.jsx';
import {Conversation} from './conversation.jsx';
import {Help} from './help.jsx';
import {useKeys} from './keys.js';
import {List, shownOf} from './list.jsx';

/** The desk: conversations, the thread, the contact. One store, or none when the page came without a token. */
export function Desk({store}) {
  return store ? <Opened store={store} /> : (
    <Blank icon="inbox" title="The desk needs a token">
      Open the address that <code>make run</code> prints: it ends in <code>#token=…</code>. The token stays in this tab and leaves the address bar.
    </Blank>
  );
}

function Opened({store}) {
  const state = useStore(store);
  const [query, setQuery] = useState('');
  const [filter, setFilter] = useState('all');
  const [help, setHelp] = useState(false);
  const [details, setDetails] = useState(false);
  const opener = useRef(null);
  const search = useRef(null);
  const reply = useRef(null);
  const shown = shownOf(state, query, filter);
  const selected = state.selected ? store.find(state.selected) : null;
  const columns = useRef(null);
  // The conversation whose row is to be focused once it is drawn: for one who walks through the list, or comes back to it.
  const row = useRef(null);
  useLayoutEffect(() => {
    if (row.current) columns.current?.querySelector(`[data-id="${CSS.escape(row.current)}"]`)?.focus({preventScroll: true});
    row.current = null;
  });
  const back = () => {
    row.current = state.selected;
    store.select(null);
  };
  const closeDetails = () => {
    setDetails(false);
    opener.current.focus();
  };
  const step = (by) => {
    const index = shown.findIndex((c) => c.id === state.selected);
    const next = shown[index < 0 ? 0 : index + by];
    if (!next) return;
    row.current = next.id;
    store.select(next.id);
  };

  useKeys({
    j: () => step(1),
    k: () => step(-1),
    r: () => reply.current?.focus(),
    '/': () => search.current.focus(),
    '?': () => setHelp(true),
  });
  if (state.link === 'denied') {
    return (
      <Blank icon="warn" title="The token was refused">
        {state.problem.detail || state.problem.message} Nothing was lost: open the address that <code>make run</code> prints again.
      </Blank>
    );
  }
  return (
    <div ref={columns} class={selected ? 'columns has-thread' : 'columns'} data-details={details && selected ? '' : undefined}>
      <List store={store} state={state} shown={shown} query={query} filter={filter} onQuery={setQuery} onFilter={setFilter} search={search} onHelp={() => setHelp(true)} />
      <div class="middle">
        <Link state={state} />
        {selected
          ? <Conversation key={selected.id} store={store} state={state} conversation={selected} field={reply} quiet={row.current !== null} details={details} opener={opener} onDetails={() => setDetails(!details)} onBack={back} />
          : <Blank icon="chat" title={state.list?.length === 0 ? 'Nobody has written yet' : 'No conversation chosen'}>
              {state.list?.length === 0 ? 'Write something in the chat on the customer’s side; it appears here.' : <>Choose one on the left, or press <kbd>j</kbd>.</>}
            </Blank>}
      </div>
      {selected && <Contact conversation={selected} context={state.contexts[selected.id]} open={details} onClose={closeDetails} />}
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

/** What happened to the connection, what was kept, and what comes next. */
function Link({state}) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (state.link !== 'lost') return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [state.link]);
  const left = Math.max(1, Math.ceil((state.retryAt - Date.now()) / 1000));
  return (
    <div role="status">
      {state.link === 'lost' && (
        <p class="banner"><Icon name="offline" /><span>{state.problem.message}. What you see and write is kept. <span aria-hidden="true">Trying again in {left} s.</span></span></p>
      )}
    </div>
  );
}

/** A place with nothing in it yet. */
export function Blank({icon, title, children}) {
  return <div class="blank"><Icon name={icon} /><h2>{title}</h2><p>{children}</p></div>;
}

function useStore(store) {
  const [state, setState] = useState(store.state);
  useEffect(() => {
    setState(store.state);
    return store.subscribe(() => setState(store.state));
  }, [store]);
  return state;
}
