// The compressors of node:zlib with the settings of the policy `compress`. Data threads; their work on streams is done by the
// thread pool of the process.

import {
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import type { CompressEncoding, CompressSpec } from "../../config/snapshot.ts";

export interface CompressorStream extends NodeJS.ReadWriteStream {
  /** Gives out what was written so far, and calls nobody back. */
  flush(kind: number): void;
  destroy(): unknown;
}

export interface Compressor {
  readonly encoding: CompressEncoding;
  /** What `flush` takes. */
  readonly flushKind: number;
  whole(body: Buffer): Buffer;
  stream(): CompressorStream;
}

/**
 * Windows of 256 kB and tables of 2^17 entries: with what the libraries choose by themselves, a stream would hold up to 4 MB (br)
 * and 16 MB (zstd, level 12), and a gateway has thousands of them. So it is up to 0.3 MB (gzip, br) and 0.9 MB (zstd).
 */
const WINDOW_BITS = 18;
const TABLE_BITS = 17;

const GZIP_LEVELS = { fast: 1, balanced: 4, small: 9 } as const;
const BROTLI_LEVELS = { fast: 1, balanced: 4, small: 9 } as const;
const ZSTD_LEVELS = { fast: 1, balanced: 3, small: 9 } as const;

export function createCompressor(encoding: CompressEncoding, level: CompressSpec["level"]): Compressor {
  switch (encoding) {
    case "gzip": {
      const options = { level: GZIP_LEVELS[level] };
      return {
        encoding,
        flushKind: constants.Z_SYNC_FLUSH,
        whole: (body) => gzipSync(body, options),
        stream: () => createGzip(options),
      };
    }
    case "br": {
      const params = {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_LEVELS[level],
        [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
      };
      return {
        encoding,
        flushKind: constants.BROTLI_OPERATION_FLUSH,
        whole: (body) => brotliCompressSync(body, { params }),
        stream: () => createBrotliCompress({ params }),
      };
    }
    case "zstd": {
      const params = {
        [constants.ZSTD_c_compressionLevel]: ZSTD_LEVELS[level],
        [constants.ZSTD_c_windowLog]: WINDOW_BITS,
        [constants.ZSTD_c_hashLog]: TABLE_BITS,
        [constants.ZSTD_c_chainLog]: TABLE_BITS,
      };
      return {
        encoding,
        flushKind: constants.ZSTD_e_flush,
        whole: (body) => zstdCompressSync(body, { params }),
        stream: () => createZstdCompress({ params }),
      };
    }
  }
}
