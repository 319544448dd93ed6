// Requests to the service that this page came from, and what goes wrong with them, in words.

let token = "";

export class Problem extends Error {
  constructor(message, status, told = {}) {
    super(message);
    this.status = status;
    this.column = told.column;
  }
}

export function useToken(given) {
  token = given;
}

export function hasToken() {
  return token !== "";
}

async function refused(response) {
  let told = {};
  try {
    told = (await response.json()).error ?? {};
  } catch {
    // no JSON: the status says all there is
  }
  const places = [told.row ? `row ${told.row}` : "", told.column ? `column ${told.column}` : "", told.argument ?? ""];
  const place = places.filter(Boolean).join(", ");
  const words = told.message ?? `the service answered ${response.status}`;
  return new Problem(place ? `${place}: ${words}` : words, response.status, told);
}

export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("the service does not answer; is it still running?", 0);
  }
  if (!response.ok) throw await refused(response);
  return response;
}

export async function askJson(path, body, signal) {
  const sent = body === undefined ? { signal } : {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal,
  };
  return (await ask(path, sent)).json();
}
