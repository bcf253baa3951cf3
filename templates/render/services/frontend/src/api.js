const TIMEOUT_MILLISECONDS = 5000;

/** Fetches the message of the service. */
export async function fetchMessage(signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
  const response = await fetch(__API_PATH__, { signal: AbortSignal.any([signal, timeout]), headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const { message } = await response.json();
  return message;
}
