// The notes in their database.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface Note {
  readonly id: number;
  readonly text: string;
  readonly created: string;
}

const SCHEMA = `
  pragma journal_mode = wal;
  create table if not exists notes (
    id integer primary key,
    text text not null,
    created text not null default (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
  ) strict;
`;

export function openNotes(folder: string) {
  mkdirSync(folder, { recursive: true });
  // Whoever finds the database taken by the other VM waits, so long at most.
  const database = new DatabaseSync(join(folder, "notes.db"), { timeout: 2000 });
  database.exec(SCHEMA);
  const all = database.prepare("select * from notes order by id");
  const one = database.prepare("select * from notes where id = ?");
  const insert = database.prepare("insert into notes (text) values (?) returning *");
  const remove = database.prepare("delete from notes where id = ?");
  return {
    all: () => all.all() as unknown as Note[],
    find: (id: number) => one.get(id) as Note | undefined,
    add: (text: string) => insert.get(text) as unknown as Note,
    remove: (id: number) => remove.run(id).changes > 0,
  };
}
