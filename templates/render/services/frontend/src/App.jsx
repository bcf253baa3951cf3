import { useEffect, useState } from "react";
import { fetchMessage } from "./api.js";

export function App() {
  const [state, setState] = useState({ status: "loading" });

  useEffect(() => {
    const controller = new AbortController();
    fetchMessage(controller.signal)
      .then((message) => setState({ status: "done", message }))
      .catch((error) => {
        if (!controller.signal.aborted) setState({ status: "failed", message: error.message });
      });
    return () => controller.abort();
  }, []);

  return (
    <main>
      <h1>acme-stack</h1>
      {state.status === "loading" && <p role="status">Loading…</p>}
      {state.status === "done" && <p role="status">{state.message}</p>}
      {state.status === "failed" && <p role="alert">The service is not available: {state.message}</p>}
      <footer>Version {__VERSION__}</footer>
    </main>
  );
}
