// A prediction as a command for a shell, and the clipboard.

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
// curl takes a name in double quotes apart at nothing but quotes and backslashes
const fileQuote = (name) => quote(`@"${name.replaceAll(/["\\]/g, "\\$&")}"`);
// the shell puts the token in; it is never written down here
const TOKEN = ' -H "Authorization: Bearer $MANYHOT_TOKEN"';

function call(path, hasToken) {
  return `curl -sS ${quote(location.origin + path)}${hasToken ? TOKEN : ""}`;
}

// A request without a body is a GET; images are sent as files of a form, from the folder where the command runs.
export function rowCommand(path, body, files, hasToken) {
  const start = call(path, hasToken);
  if (!body) return start;
  if (!files.length) return `${start} -H 'Content-Type: application/json' -d ${quote(JSON.stringify(body))}`;
  const names = new Set(files.map(({ name }) => name));
  const rows = body.rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !names.has(name))));
  const fields = Object.entries({ ...body, rows }).map(([name, value]) => ` --form-string ${quote(`${name}=${JSON.stringify(value)}`)}`);
  const parts = files.map(({ name, file }) => ` -F ${quote(name)}=${fileQuote(file.name)}`);
  return start + fields.join("") + parts.join("");
}

export function tableCommand(path, name, type, query, hasToken) {
  return `${call(path + query, hasToken)} -H 'Content-Type: ${type}' --data-binary ${quote(`@${name}`)}`;
}

export function imagesCommand(path, column, names, thresholds, hasToken) {
  const parts = names.map((name) => ` -F ${quote(column)}=${fileQuote(name)}`);
  const changed = Object.keys(thresholds).length ? ` --form-string ${quote(`thresholds=${JSON.stringify(thresholds)}`)}` : "";
  return call(path, hasToken) + changed + parts.join("");
}

// Copies the text of an element; where the browser does not allow it the text is selected instead.
export async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}
