import {useLayoutEffect, useRef} from 'preact/hooks';
import {words} from './words.js';

/** Asks once before the conversation is ended. */
export function EndConfirm({onNo, onYes}) {
  const no = useRef(null);
  useLayoutEffect(() => no.current.focus(), []);
  return (
    <div class="confirm" role="alertdialog" aria-labelledby="end-ask" aria-describedby="end-tells">
      <h3 id="end-ask">{words.endAsk}</h3>
      <p id="end-tells">{words.endTells}</p>
      <div class="confirm-buttons">
        <button type="button" class="button" ref={no} onClick={onNo}>{words.endNo}</button>
        <button type="button" class="button danger" onClick={onYes}>{words.endYes}</button>
      </div>
    </div>
  );
}

/** Stands where the composer was once the conversation is over. */
export function EndedFoot({ending, onAnew}) {
  return (
    <div class="ended">
      {ending
        ? <p role="status">{words.ending}</p>
        : <button type="button" class="button primary" onClick={onAnew}>{words.anew}</button>}
    </div>
  );
}
