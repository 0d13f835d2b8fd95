// How the hash of a password is written: scrypt as in PHC strings, or bcrypt. Reading only, no hashing. Runs anywhere.
//
//   $scrypt$ln=15,r=8,p=3$<salt>$<hash>      base64 without padding; 2^ln is the N of scrypt
//   $2b$12$<salt and hash>                   bcrypt, also $2a$ and $2y$

export type PasswordHash =
  | {
      readonly kind: "scrypt";
      readonly n: number;
      readonly r: number;
      readonly p: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    }
  | { readonly kind: "bcrypt"; readonly text: string };

/** One verification takes no more memory than this. */
const MAX_SCRYPT_BYTES = 256 * 1024 * 1024;
const MAX_PARALLEL = 16;
/** 2^15 rounds take some seconds. */
const MAX_BCRYPT_COST = 15;

const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** The hash, or what is wrong with the text. That never has any of the text in it: it might be a password. */
export function readPasswordHash(text: string): PasswordHash | string {
  const [, cost] = BCRYPT.exec(text) ?? [];
  if (cost !== undefined) {
    if (Number(cost) < 4 || Number(cost) > MAX_BCRYPT_COST)
      return `expected a cost from 4 to ${MAX_BCRYPT_COST}`;
    return { kind: "bcrypt", text };
  }
  const [, ln, r, p, salt, hash] = SCRYPT.exec(text) ?? [];
  if (ln === undefined) return "expected a hash of scrypt or bcrypt, as `sluice hash-password` makes one";
  const read = {
    kind: "scrypt",
    n: 2 ** Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt!, "base64"),
    hash: Buffer.from(hash!, "base64"),
  } as const;
  if (read.n < 2 || read.r < 1 || read.p < 1 || read.p > MAX_PARALLEL || scryptBytes(read) > MAX_SCRYPT_BYTES)
    return "expected no more than 256 MB for one hash (128 × 2^ln × r bytes), and p up to 16";
  if (read.salt.length < 8 || read.hash.length < 16)
    return "expected a salt of 8 bytes and a hash of 16 at least";
  return read;
}

/** What scrypt needs, and some more. */
export function scryptBytes({
  n,
  r,
  p,
}: {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}): number {
  return 128 * r * (n + p + 2);
}

export function writeScrypt(ln: number, r: number, p: number, salt: Buffer, hash: Buffer): string {
  const text = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  return `$scrypt$ln=${ln},r=${r},p=${p}$${text(salt)}$${text(hash)}`;
}
