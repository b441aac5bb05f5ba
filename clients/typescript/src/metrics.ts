/** What a verifier counts, as an object and as OpenMetrics text. */

import { REASONS } from "./refused.js";

const COUNTERS: ReadonlyArray<readonly [name: string, explanation: string, label: string, values: readonly string[]]> = [
  ["checks", "Checked tokens that were good.", "token", ["new", "known"]],
  ["refused", "Refused tokens by reason.", "reason", REASONS],
  ["forbidden", "Good tokens that lacked a role or a scope.", "", [""]],
  ["key_fetches", "Fetches of the key set by result.", "result", ["ok", "failed"]],
  ["feed_connections", "Connections to the revocation feed that were answered.", "", [""]],
  ["feed_failures", "Connections to the revocation feed that failed or broke.", "", [""]],
  ["feed_gaps", "Times that a new snapshot was needed.", "", [""]],
];

/** Numbers that only rise. */
export class Counters {
  readonly #values = new Map<string, number>();

  constructor() {
    for (const [name, , , values] of COUNTERS) for (const value of values) this.#values.set(key(name, value), 0);
  }

  /** Adds one. */
  count(name: string, value = ""): void {
    this.#values.set(key(name, value), (this.#values.get(key(name, value)) ?? 0) + 1);
  }

  /** One number for each name; a label's value follows its counter's name after a dot. */
  asObject(gauges: Readonly<Record<string, number>>): Record<string, number> {
    return { ...Object.fromEntries(this.#values), ...gauges };
  }

  /** The text that Prometheus reads (OpenMetrics 1.0). */
  asOpenMetrics(gauges: Readonly<Record<string, number>>): string {
    const lines: string[] = [];
    for (const [name, explanation, label, values] of COUNTERS) {
      lines.push(`# HELP usher_verify_${name} ${explanation}`, `# TYPE usher_verify_${name} counter`);
      for (const value of values) {
        const labels = label === "" ? "" : `{${label}="${value}"}`;
        lines.push(`usher_verify_${name}_total${labels} ${this.#values.get(key(name, value)) ?? 0}`);
      }
    }
    for (const [name, number] of Object.entries(gauges)) {
      lines.push(`# TYPE usher_verify_${name} gauge`, `usher_verify_${name} ${number}`);
    }
    return [...lines, "# EOF", ""].join("\n");
  }
}

function key(name: string, value: string): string {
  return value === "" ? name : `${name}.${value}`;
}
