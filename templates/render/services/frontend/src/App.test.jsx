import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { App } from "./App.jsx";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function answer(status, body) {
  const fetch = vi.fn(async () => new Response(JSON.stringify(body), { status }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

test("shows the message of the service", async () => {
  const fetch = answer(200, { message: "Hello, World!" });
  render(<App />);
  expect(screen.getByRole("status").textContent).toBe("Loading…");
  expect(await screen.findByText("Hello, World!")).toBeTruthy();
  expect(fetch.mock.calls[0][0]).toBe("/acme-api");
});

test("says that the service is not available", async () => {
  answer(503, {});
  render(<App />);
  expect((await screen.findByRole("alert")).textContent).toContain("status 503");
});

test("shows text, never markup", async () => {
  answer(200, { message: "<b>bold</b>" });
  render(<App />);
  expect((await screen.findByText("<b>bold</b>")).innerHTML).toBe("&lt;b&gt;bold&lt;/b&gt;");
});
