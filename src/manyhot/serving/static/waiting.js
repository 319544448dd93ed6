// A service that is starting, busy or away for a moment is asked again by itself.

import { Problem } from "/static/api.js";

const FIRST_PAUSE = 500; // milliseconds; each pause is longer than the one before
const LONGEST_PAUSE = 4000;
const TRIES = 3; // of a request to a service that is ready but busy
let isReady = false; // whether the service has said so

function pause(milliseconds, signal) {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(signal.reason);
    }, { once: true });
  });
}

// What the service says of itself; /health is always 200, so waiting leaves no errors in the browser's console.
async function health() {
  try {
    return await (await fetch("/health")).json();
  } catch {
    return { state: "away" };
  }
}

const WORDS = {
  starting: (message) => `The service is ${message.split(";")[0]}. This page will update automatically.`,
  stopping: () => "The service is shutting down. This page will update automatically when it is back.",
  away: () => "The service does not respond. Trying again until it is back …",
};

// Waits until the service is ready; returns whether it had to. `notice` gets a sentence, then null.
export async function untilReady(notice, signal) {
  for (let k = 0; ; k += 1) {
    const { state, message } = await health();
    if (state === "failed") {
      notice(null);
      throw new Problem(`The service ${message}`, 503);
    }
    if (!(state in WORDS)) {
      isReady = true;
      notice(null);
      return k > 0;
    }
    notice(WORDS[state](message ?? ""));
    await pause(Math.min(LONGEST_PAUSE, FIRST_PAUSE * 1.5 ** k), signal);
  }
}

// A request that needs a ready service is not sent before, and sent again where the service is busy or away.
export async function whenReady(request, notice, signal) {
  if (!isReady) await untilReady(notice, signal);
  return patiently(request, notice, signal);
}

export async function patiently(request, notice, signal) {
  for (let k = 1; ; ) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof Problem) || ![0, 429, 503].includes(error.status)) throw error;
      if (await untilReady(notice, signal)) continue;
      if (k === TRIES) throw error;
      await pause(1000 * k, signal);
      k += 1;
    }
  }
}
