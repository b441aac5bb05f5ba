/** The bytes of the revocation feed, read as server-sent events (WHATWG HTML §9.2). It opens no connection. */

import type { Revocations } from "./revocations.js";
import { type Json, type JsonObject, NotStrict, parseObject } from "./strict.js";

/** A snapshot's event of 1000 entries has about 90 KB. Whatever is so much longer does not come from a feed. */
const LONGEST_EVENT = 1024 * 1024;

const NUMBER = /^[0-9]{1,15}$/;

/** Something was missed or not understood: connect again, without a position. */
export class NeedSnapshot extends Error {}

/** What an empty line ended. Without data it is an id alone, which moves the position. */
interface Event {
  readonly kind: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** Puts events together from pieces that may end anywhere, inside a line end and inside a character too. */
class EventReader {
  readonly #decoder = new TextDecoder("utf-8");
  #rest = "";
  #skipLineFeed = false;
  #kind = "";
  #data: string[] = [];
  #size = 0;
  #id: string | undefined;

  /** The events that this piece completes. */
  *read(chunk: Uint8Array): Generator<Event> {
    for (const line of this.#lines(this.#decoder.decode(chunk, { stream: true }))) {
      if (line !== "") {
        this.#field(line);
        continue;
      }
      const event = { kind: this.#kind, data: this.#data.join("\n"), id: this.#id };
      [this.#kind, this.#data, this.#size, this.#id] = ["", [], 0, undefined];
      yield event;
    }
  }

  /** Complete lines, ended by CR LF, LF or CR. The LF of a CR LF may come with the next piece. */
  #lines(chunk: string): string[] {
    let text = chunk;
    if (text === "") return [];
    if (this.#skipLineFeed && text.startsWith("\n")) text = text.slice(1);
    this.#skipLineFeed = chunk.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    lines[0] = this.#rest + (lines[0] ?? "");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST_EVENT) throw new NeedSnapshot("a line is too long");
    return lines;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (name === "event") this.#kind = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "data") {
      this.#size += value.length;
      if (this.#size > LONGEST_EVENT) throw new NeedSnapshot("an event is too long");
      this.#data.push(value);
    }
  }
}

/**
 * What the feed has said so far, and from where it can be resumed.
 *
 * `position` is the highest number seen, against which a gap is found. `lastEventId` is where a resume begins: only
 * `id:` lines and whole snapshots move it, so that half a group of events is repeated.
 */
export class Feed {
  #reader = new EventReader();
  #accessSeconds = 900;
  position: number | undefined;
  lastEventId: number | undefined;
  /** Whether everything up to `position` is known. */
  current = false;

  constructor(
    private readonly revocations: Revocations,
    private readonly keysChanged: () => void,
    private readonly heard: () => void,
  ) {}

  /** Begins a new connection that asked for everything after `resume`, or for a snapshot. */
  connect(resume: number | undefined): void {
    this.#reader = new EventReader();
    this.position = resume;
    this.lastEventId = resume;
    this.current = resume !== undefined;
  }

  /**
   * Applies what this piece completes, and says how many events that were. Calls `heard` after each after which the
   * client is current. Throws {@link NeedSnapshot}, after which this connection is to be dropped.
   */
  receive(chunk: Uint8Array): number {
    try {
      let events = 0;
      for (const event of this.#reader.read(chunk)) {
        this.#apply(event);
        events += 1;
        if (this.current) this.heard();
      }
      return events;
    } catch (error) {
      if (!(error instanceof NeedSnapshot || error instanceof NotStrict)) throw error;
      this.connect(undefined);
      throw new NeedSnapshot(error.message);
    }
  }

  #apply(event: Event): void {
    if (event.data !== "") {
      if (event.kind === "snapshot") this.#snapshot(parseObject(event.data));
      else if (event.kind === "revoked") this.#revoked(parseObject(event.data));
      else if (event.kind === "keys") this.#keys(parseObject(event.data));
    }
    // Before the whole snapshot an id means nothing: whoever resumed from it would miss the rest.
    if (this.current && event.id !== undefined && NUMBER.test(event.id)) {
      const number = Number(event.id);
      this.lastEventId = Math.max(this.lastEventId ?? 0, number);
      this.position = Math.max(this.position ?? 0, number);
    }
  }

  #snapshot(members: JsonObject): void {
    const index = number(members, "index");
    const last = members.get("last");
    if (typeof last !== "boolean") throw new NotStrict("last is no boolean");
    const subjects = list(members, "subjects").map(subjectEntry);
    const sessions = texts(members, "sessions");
    const keys = texts(members, "keys");
    // Everything is read before anything is applied: an event counts whole or not at all.
    this.#accessSeconds = number(members, "access_seconds");
    for (const [subject, epoch] of subjects) this.revocations.endSubject(subject, epoch, this.#accessSeconds);
    for (const session of sessions) this.revocations.endSession(session, this.#accessSeconds);
    for (const keyId of keys) this.revocations.endKey(keyId, this.#accessSeconds);
    if (last) this.position = this.lastEventId = index;
    this.current = last;
  }

  #revoked(members: JsonObject): void {
    const index = number(members, "index");
    const previous = number(members, "previous");
    const subject = text(members, "subject");
    const epoch = members.has("epoch") ? integer(members, "epoch") : undefined;
    const session = members.has("session") ? text(members, "session") : undefined;
    if (epoch === undefined && session === undefined) throw new NotStrict("neither an epoch nor a session is ended");
    if (epoch !== undefined) this.revocations.endSubject(subject, epoch, this.#accessSeconds);
    if (session !== undefined) this.revocations.endSession(session, this.#accessSeconds);
    this.#advance(index, previous);
  }

  #keys(members: JsonObject): void {
    const withdrawn = texts(members, "withdrawn");
    const place = withdrawn.length > 0 ? [number(members, "index"), number(members, "previous")] as const : undefined;
    for (const keyId of withdrawn) this.revocations.endKey(keyId, this.#accessSeconds);
    this.keysChanged();
    if (place !== undefined) this.#advance(...place);
  }

  /** The entry has been applied by now: entries only ever add, so it counts although others are missing. */
  #advance(index: number, previous: number): void {
    if (this.position === undefined || previous > this.position) {
      throw new NeedSnapshot(`the entry before ${index} is ${previous}, and ${this.position} is known`);
    }
    this.position = Math.max(this.position, index);
  }
}

function integer(members: JsonObject, name: string): bigint {
  const value = members.get(name);
  if (typeof value === "bigint" && value >= 0n) return value;
  throw new NotStrict(`${name} is no whole number`);
}

function number(members: JsonObject, name: string): number {
  return Number(integer(members, name));
}

function text(members: JsonObject, name: string): string {
  const value = members.get(name);
  if (typeof value === "string" && value !== "") return value;
  throw new NotStrict(`${name} is no text`);
}

function list(members: JsonObject, name: string): Json[] {
  const value = members.get(name);
  if (Array.isArray(value)) return value;
  throw new NotStrict(`${name} is no list`);
}

function texts(members: JsonObject, name: string): string[] {
  return list(members, name).map((item) => {
    if (typeof item === "string" && item !== "") return item;
    throw new NotStrict(`${name} holds something else than texts`);
  });
}

function subjectEntry(entry: Json): [string, bigint] {
  if (entry instanceof Map) return [text(entry, "subject"), integer(entry, "epoch")];
  throw new NotStrict("an entry is no object");
}
