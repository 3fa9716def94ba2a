import {useState} from 'preact/hooks';
import {Icon} from './icons.jsx';

/**
 * Takes files that are dropped on an element or pasted into it: `handlers` are spread on the element, and `over` says
 * that files are held above it. A drop that is not taken changes nothing, either: the browser would leave the page for
 * the file.
 *
 * @param {function(Array<File>)|null} onFiles null while none are taken
 */
export function useFileDrop(onFiles) {
  const [over, setOver] = useState(false);
  const hold = (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = onFiles ? 'copy' : 'none';
    setOver(true);
  };
  const handlers = {
    onDragEnter: hold,
    onDragOver: hold,
    onDragLeave: (event) => {
      if (!event.currentTarget.contains(event.relatedTarget)) setOver(false);
    },
    onDrop: (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setOver(false);
      take(onFiles, filesOf(event.dataTransfer));
    },
    onPaste: (event) => {
      const files = onFiles && !isText(event.clipboardData) ? filesOf(event.clipboardData) : [];
      if (files.length === 0) return;
      event.preventDefault();
      take(onFiles, files);
    },
  };
  return {over: over && Boolean(onFiles), handlers};
}

/** Says where files may be dropped, to eyes and ears. Its parent is the element they are dropped on. */
export function DropHint({over, children}) {
  return <div role="status">{over && <p class="drop"><span><Icon name="attach" />{children}</span></p>}</div>;
}

function take(onFiles, files) {
  if (onFiles && files.length > 0) onFiles(files);
}

// A word processor puts a picture of the text beside the text; a copied file has its name as text, a copied picture its
// address as HTML.
function isText({types}) { return types.includes('text/plain') && (types.includes('text/html') || types.includes('text/rtf')); }

// A folder is handed on under its name, to be told why it is not sent.
function filesOf(transfer) {
  return [...transfer.items].filter((item) => item.kind === 'file').map((item) => {
    const file = item.getAsFile();
    return item.webkitGetAsEntry?.()?.isDirectory ? Object.assign(new File([], file.name), {folder: true}) : file;
  });
}
