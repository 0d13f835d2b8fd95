// Addresses and address ranges, compared as numbers. No I/O.

/** An address range: `bits` leading bits of the 16-byte form (IPv4 mapped into ::ffff:0:0/96). */
export interface Cidr {
  readonly bytes: readonly number[];
  readonly bits: number;
}
