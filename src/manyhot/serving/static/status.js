// What both pages say of the service: a sentence while it is waited for, a problem, and the form that asks for a token.

import { hasToken, Problem, useToken } from "/static/api.js";

export const at = (id) => document.getElementById(id);

export function notice(words) {
  if (at("notice").textContent !== (words ?? "")) at("notice").textContent = words ?? "";
  at("notice").hidden = !words;
}

export function trouble(error) {
  const place = at("problem"), asks = error instanceof Problem && error.status === 401;
  const words = error && (!asks || hasToken()) ? error.message : ""; // the form says enough before a token is typed
  place.hidden = !words;
  place.textContent = words;
  if (asks) {
    at("sign-in").hidden = false;
    at("token").focus();
  }
}

// Calls `begin` again with the token that was typed.
export function onSignIn(begin) {
  at("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(at("token").value);
    begin();
  });
}
