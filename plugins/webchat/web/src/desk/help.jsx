import {useEffect, useRef} from 'preact/hooks';

const keys = [
  ['j', 'Next conversation'],
  ['k', 'Previous conversation'],
  ['r', 'Reply'],
  ['/', 'Search'],
  ['?', 'Show these keys'],
  ['Esc', 'Leave a field'],
  ['↑ ↓', 'Walk through the messages'],
];

/** The keys, in a dialog of the browser's own. */
export function Help({onClose}) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return (
    <dialog class="help" ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl>
        {keys.map(([key, text]) => <div key={key}><dt>{key.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{text}</dd></div>)}
      </dl>
      <form method="dialog"><button class="button primary">Close</button></form>
    </dialog>
  );
}
