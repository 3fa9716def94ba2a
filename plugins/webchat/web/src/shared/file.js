const units = ['B', 'KB', 'MB', 'GB'];

/** "1.4 MB", for people. */
export function sizeOf(bytes) {
  let n = bytes;
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1024;
  return `${n < 10 && unit > 0 ? Math.round(n * 10) / 10 : Math.round(n)} ${units[unit]}`;
}

/**
 * Whether a file is of one of the types, such as `image/*`; absent, all are taken. What the browser does not know, the hub
 * finds out.
 */
export function isOfType(file, types) {
  return !types || !file.type || types.some((type) => type.endsWith('/*') ? file.type.startsWith(type.slice(0, -1)) : file.type === type);
}

/** Has the browser save what lies at `url`. */
export function save(url, name) {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.rel = 'noopener';
  link.click();
}
