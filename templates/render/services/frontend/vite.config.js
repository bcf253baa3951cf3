import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `API_PATH=/orders npm run build` calls another service.
const apiPath = process.env.API_PATH ?? "/acme-api";

export default defineConfig({
  plugins: [react()],
  define: {
    __API_PATH__: JSON.stringify(apiPath),
    __VERSION__: JSON.stringify(process.env.VERSION ?? "dev"),
  },
  server: { proxy: { [apiPath]: process.env.API_URL ?? "http://127.0.0.1:8080" } },
  test: { environment: "jsdom", globals: true },
});
