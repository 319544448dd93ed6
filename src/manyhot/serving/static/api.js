// Requests to the service that this page came from, and what goes wrong with them, in words.

let token = "";

export class Problem extends Error {
  constructor(message, status, details = {}) {
    super(message);
    this.status = status;
    this.column = details.column;
  }
}

export function useToken(value) {
  token = value;
}

export function hasToken() {
  return token !== "";
}

async function refused(response) {
  let details = {};
  try {
    details = (await response.json()).error ?? {};
  } catch {
    // no JSON: the status says all there is
  }
  const places = [details.row ? `row ${details.row}` : "", details.column ? `column ${details.column}` : "", details.argument ?? ""];
  const place = places.filter(Boolean).join(", ");
  const message = details.message ?? `the service responded with status ${response.status}`;
  return new Problem(place ? `${place}: ${message}` : message, response.status, details);
}

export async function send(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not respond.", 0);
  }
  if (!response.ok) throw await refused(response);
  return response;
}

export async function sendJson(path, body, signal) {
  const request = body === undefined ? { signal } : {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal,
  };
  return (await send(path, request)).json();
}
